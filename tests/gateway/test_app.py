"""The application: what it warns of, what it offers, and what it has when it runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp, Message

from gateway import metrics
from gateway.apis import APIS
from gateway.app import create_app
from gateway.core import Core
from gateway.settings import Settings
from gateway.version import VERSION
from tests.fakes.gateway import running_gateway
from tests.fakes.triton import CHAT_MODEL, FakeTriton

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """An application sets the log up for its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class KeptWarnings(logging.Handler):
    """What the application warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.mark.parametrize(
    ("host", "keys", "warns"),
    [("127.0.0.1", (), False), ("localhost", (), False), ("0.0.0.0", ("sk-1",), False), ("0.0.0.0", (), True)],
)
async def test_open_door_is_warned_of(host: str, keys: tuple[str, ...], warns: bool) -> None:
    """Without keys, on an address that others reach."""
    kept, log = KeptWarnings(), logging.getLogger("gateway.app")
    log.addHandler(kept)
    try:
        create_app(Settings(host=host, api_keys=keys))
    finally:
        log.removeHandler(kept)
    assert [text for text in kept.texts if "without API keys" in text] == (
        [f"listening on {host} without API keys: everybody who reaches this port is let in"] if warns else []
    )


async def test_wrong_key_stops_the_start() -> None:
    """Before anybody could be let in by it."""
    with pytest.raises(ValueError, match="64 lower-case"):
        create_app(Settings(api_keys=("sha256:short",)))


def test_every_api_is_served_and_documented() -> None:
    """Their paths and their chunks, from the one list of them; the version is the package's."""
    with FakeTriton() as triton:
        triton.ready = [CHAT_MODEL]
        with running_gateway(triton_urls=(triton.address,)) as gateway, gateway.client() as client:
            document = client.get("/openapi.json").json()
    assert document["info"]["version"] == VERSION
    documented = {route.path for api in APIS for route in api.routes if route.include_in_schema}
    assert {path.replace(":path", "") for path in documented} == set(document["paths"])
    assert {chunk.__name__ for api in APIS for chunk in api.chunks} <= set(document["components"]["schemas"])


async def state_of(app: ASGIApp, during: list[Core]) -> None:
    """Run the lifespan from start to end, and keep the `Core` that it yields."""
    state: dict[str, Core] = {}
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        kind = next(events)
        during.extend(state.values() if kind == "lifespan.shutdown" else ())
        return {"type": kind}

    async def send(message: Message) -> None:
        assert message["type"] in ("lifespan.startup.complete", "lifespan.shutdown.complete"), message

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)


async def test_core_lives_as_long_as_the_application() -> None:
    """One for all requests, made of the settings; each worker has its share of the permits."""
    settings = Settings(max_in_flight=9, workers=4, max_queued=4, triton_urls=("127.0.0.1:1",))
    kept: list[Core] = []
    await state_of(create_app(settings), kept)
    [core] = kept
    assert core.settings is settings
    assert core.catalog.models() == []
    with await core.admission.acquire(weight=100) as permit:
        assert permit.weight == 9 // 4
        assert metrics.exposition().count(b"triton_gateway_in_flight 2.0") == 1
    assert core.admission.in_flight == 0
