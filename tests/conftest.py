"""What many tests share: one scripted Triton and one gateway before it, on real sockets, for the whole run."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextvars import Context
from typing import Any

import httpx
import pytest
from hypothesis import settings

from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.triton import FakeTriton

TIMEOUT_S = 20

# No deadline a case, since other work shares the processor; nothing kept between runs: same commit, same verdict.
settings.register_profile("suite", deadline=None, max_examples=50, database=None, derandomize=True)
settings.load_profile("suite")

QUICK = {"accept_timeout_s": 0.5, "ping_interval_s": 0.2, "stall_timeout_s": 1.5, "infer_timeout_s": 2.0}
"""Settings of the shared gateway: what it waits for comes soon enough for a test."""

PROBED_ONCE = {"health_fresh_s": 3600.0, "health_stale_s": 7200.0}
"""After the first look at its health a gateway asks the models nothing of its own accord."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Twenty seconds a test; what needs a real Triton sets its own."""
    for item in items:
        if item.get_closest_marker("timeout") is None and item.get_closest_marker("triton") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that may be told something after it was closed.

    grpc.aio hands the end of a call to the loop that began it, from whichever loop polls: with a loop a test, an error
    of one that is closed would fail the test that happens to run.
    """

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Dropped where nobody is left to be called."""
        if self.is_closed():
            return asyncio.Handle(callback, args, self, context)
        return super().call_soon_threadsafe(callback, *args, context=context)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Coroutines of tests run on asyncio with its debug checks."""
    return "asyncio", {"debug": True, "loop_factory": _Loop}


@pytest.fixture(scope="session", params=["session", "direct"])
def _shared_triton(request: pytest.FixtureRequest) -> Generator[FakeTriton, None, None]:
    """Every test with it runs twice: no caller sees by which way its requests travel."""
    with FakeTriton(travel=("direct", "session") if request.param == "session" else ("direct",)) as triton:
        yield triton


@pytest.fixture(scope="session")
def _shared_gateway(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with running_gateway(triton_urls=(_shared_triton.address,), **QUICK, **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        yield gateway


@pytest.fixture
def triton(_shared_triton: FakeTriton) -> Generator[FakeTriton, None, None]:
    """The shared Triton; its script is the friendly one again after the test."""
    _shared_triton.reset()
    yield _shared_triton
    _shared_triton.reset()


@pytest.fixture
def gateway(_shared_gateway: RunningGateway, triton: FakeTriton) -> RunningGateway:
    """The shared gateway before `triton`."""
    return _shared_gateway


@pytest.fixture
def client(gateway: RunningGateway) -> Generator[httpx.Client, None, None]:
    """An HTTP client of it."""
    with gateway.client() as client:
        yield client
