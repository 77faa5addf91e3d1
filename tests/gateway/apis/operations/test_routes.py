"""Probes, metrics and version, and a gateway whose Triton is away."""

from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest

from gateway.version import VERSION
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat, eventually
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton


@pytest.fixture(scope="module")
def alone() -> Generator[RunningGateway, None, None]:
    """Before a Triton that never was there."""
    with running_gateway(triton_urls=("127.0.0.1:1",), required_models=(CHAT_MODEL,)) as gateway:
        yield gateway


def test_ready_gateway_says_so(client: httpx.Client) -> None:
    """Every model by name, with the age of its last success."""
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert set(response.json()["models"]) == {CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL}
    assert all(model["ready"] and model["last_success_s_ago"] >= 0 for model in response.json()["models"].values())
    assert client.get("/health").status_code == 200


def test_live_without_triton(alone: RunningGateway) -> None:
    """Restarting the gateway would not help: live, but not ready."""
    with alone.client() as client:
        assert client.get("/livez").json() == {"status": "live"}
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["models"] == {CHAT_MODEL: {"ready": False, "last_success_s_ago": None}}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/moderations"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_absent_triton_is_unavailable(alone: RunningGateway, path: str, stream: bool) -> None:
    """503 with a time to come back; which models there are, nobody knows yet."""
    body = {**chat(stream=stream), "prompt": "x", "input": "x"}
    if path == "/v1/embeddings":
        del body["messages"]
    response = httpx.post(alone.url + path, json=body)
    assert response.status_code == 503
    assert response.json()["error"]["type"] == "server_error"
    assert int(response.headers["retry-after"]) >= 1
    assert int(response.headers["retry-after-ms"]) >= 1


def test_lost_triton_is_unavailable() -> None:
    """Triton dies and comes back under a running gateway: 503 between, and no restart of the gateway."""
    with FakeTriton() as triton, running_gateway(triton_urls=(triton.address,), **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        with gateway.client() as client:
            assert client.post("/v1/chat/completions", json=chat()).status_code == 200
            triton.stop()
            for stream in (False, True):
                response = client.post("/v1/chat/completions", json=chat(stream=stream))
                assert response.status_code == 503
                assert response.headers["retry-after"]
                assert "internal detail" not in response.text
            assert client.get("/v1/models").json()["data"][0]["id"] == CHAT_MODEL
            with FakeTriton(port=triton.port):
                eventually(lambda: client.post("/v1/chat/completions", json=chat()).status_code == 200)


def test_version_is_told(client: httpx.Client) -> None:
    """That of the package."""
    assert client.get("/version").json() == {"version": VERSION}


def test_metrics_count_tokens(client: httpx.Client) -> None:
    """In Prometheus's format, by model."""

    def tokens() -> float:
        lines = client.get("/metrics").text.splitlines()
        name = f'triton_gateway_completion_tokens_total{{model="{CHAT_MODEL}"}} '
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    before = tokens()
    client.post("/v1/chat/completions", json=chat(n=2))
    assert tokens() == before + 4
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")
