"""Keys: which are known, how they are sent, and which routes go without."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

import httpx
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat
from tests.fakes.triton import FakeTriton

KEY, HASHED, LISTED = "sk-first", "sk-hashed", "sk-ünïcödé"
OPEN = ("/livez", "/readyz", "/health")


@pytest.fixture(scope="module")
def guarded(
    _shared_triton: FakeTriton, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningGateway, None, None]:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# for the tests\n\n  {LISTED}  # with a comment\n", encoding="utf-8")
    keys = (KEY, "sha256:" + hashlib.sha256(HASHED.encode()).hexdigest())
    with running_gateway(
        triton_urls=(_shared_triton.address,), api_keys=keys, api_keys_file=file, **PROBED_ONCE
    ) as gateway:
        gateway.wait_ready()
        yield gateway


def ask(gateway: RunningGateway, *authorization: str | bytes, path: str = "/v1/models") -> httpx.Response:
    headers = [(b"authorization", value if isinstance(value, bytes) else value.encode()) for value in authorization]
    return httpx.get(f"{gateway.url}{path}", headers=headers)


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER {KEY}", f"Bearer   {KEY}", f"Bearer {HASHED}", f"Bearer {LISTED}"],
)
def test_known_key_is_let_in(guarded: RunningGateway, authorization: str) -> None:
    """From the settings, by its hash, or from the file; the scheme in any case."""
    assert ask(guarded, authorization).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        ("",),
        ("Bearer",),
        (KEY,),
        (f"Basic {KEY}",),
        (f"Bearer {KEY}", f"Bearer {KEY}"),
        (f"Bearer{KEY}",),
    ],
)
def test_missing_key_is_refused(guarded: RunningGateway, authorization: tuple[str, ...]) -> None:
    """No header, another scheme, or two headers of which nobody can tell the right one."""
    response = ask(guarded, *authorization)
    assert response.status_code == 401
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", None)
    assert error["message"].startswith("You didn't provide an API key.")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "key",
    [
        "wrong",
        KEY + "x",
        KEY[:-1],
        KEY.upper(),
        hashlib.sha256(HASHED.encode()).hexdigest(),
        f"{KEY},{HASHED}",
        "\xff\xfe",
    ],
)
def test_wrong_key_is_refused(guarded: RunningGateway, key: str) -> None:
    """Nor is a hash a key; what was sent is not repeated."""
    response = ask(guarded, b"Bearer " + key.encode("latin-1"))
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert key not in response.text


def test_every_route_wants_a_key(guarded: RunningGateway) -> None:
    """By the documentation's own list; but for the probes, in any method and spelling."""
    document = ask(guarded, f"Bearer {KEY}", path="/openapi.json").json()
    for path, operations in document["paths"].items():
        for method in operations:
            response = httpx.request(method, guarded.url + path.replace("{model}", "m"))
            assert (response.status_code == 401) is (path not in OPEN), path
    for path in (
        "/docs",
        "/redoc",
        "/openapi.json",
        "/",
        "/nowhere",
        "/livez/",
        "//livez",
        "/livez/../v1/models",
        "/LIVEZ",
    ):
        assert ask(guarded, path=path).status_code == 401, path
    assert httpx.post(f"{guarded.url}/livez").status_code == 401
    assert httpx.post(f"{guarded.url}/v1/chat/completions", json=chat()).status_code == 401


def test_body_is_not_read_without_key(guarded: RunningGateway) -> None:
    """The key comes first: no stranger makes the gateway read megabytes."""
    response = httpx.post(f"{guarded.url}/v1/chat/completions", content=b"x" * 5_000_000)
    assert response.status_code == 401


def test_no_keys_let_everybody_in(client: httpx.Client) -> None:
    """As on a laptop; a key that is sent all the same does not hurt."""
    assert client.get("/v1/models").status_code == 200
    assert client.get("/v1/models", headers={"authorization": "Bearer any"}).status_code == 200
