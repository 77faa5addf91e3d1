"""HEAD, as load balancers and monitors send it."""

from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.triton import CHAT_MODEL, FakeTriton


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/health", "/version", "/metrics", "/v1/models", f"/v1/models/{CHAT_MODEL}"]
)
def test_head_is_get_without_a_body(client: httpx.Client, path: str) -> None:
    """With the same status and type."""
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
    assert head.content == b""
    assert "content-length" in head.headers


def test_head_finds_what_get_finds(client: httpx.Client) -> None:
    """Nothing, or nothing to get."""
    assert client.head("/nowhere").status_code == 404
    assert client.head("/v1/chat/completions").status_code == 405
    assert client.delete("/livez").headers["allow"] == "GET, HEAD"


@pytest.fixture
def locked(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with running_gateway(triton_urls=(_shared_triton.address,), api_keys=("k",), **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        yield gateway


def test_head_needs_a_key_where_get_does(locked: RunningGateway) -> None:
    """Probes have none."""
    assert httpx.head(f"{locked.url}/readyz").status_code == 200
    assert httpx.head(f"{locked.url}/v1/models").status_code == 401
    assert httpx.head(f"{locked.url}/v1/models", headers={"authorization": "Bearer k"}).status_code == 200
