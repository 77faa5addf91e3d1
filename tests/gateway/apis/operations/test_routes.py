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
    assert response.json()["models"] == {CHAT_MODEL: {"ready": False, "state": "missing", "last_success_s_ago": None}}


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


def test_unloaded_model_leaves_no_trace() -> None:
    """404, in no list, and the gateway is ready as before."""
    with FakeTriton() as triton, running_gateway(triton_urls=(triton.address,), **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        triton.ready.remove(CHAT_MODEL)
        triton.unready = [(CHAT_MODEL, "UNAVAILABLE", "unloaded")]
        with gateway.client() as client:
            eventually(lambda: client.post("/v1/chat/completions", json=chat()).status_code == 404)
            assert CHAT_MODEL not in client.get("/v1/models").text
            assert client.get(f"/v1/models/{CHAT_MODEL}").status_code == 404
            ready = client.get("/readyz")
        assert (ready.status_code, CHAT_MODEL in ready.json()["models"]) == (200, False)


def test_model_that_cannot_be_served_says_why() -> None:
    """A permanent error in words for clients, which names the cause; `/readyz` shows the state alone, and stays ready."""
    with FakeTriton() as triton, running_gateway(triton_urls=(triton.address,), **PROBED_ONCE) as gateway:
        triton.files = {**triton.files, MODERATION_MODEL: {**triton.files[MODERATION_MODEL], "labels.json": b"[]"}}
        triton.unready = [("broken", "UNAVAILABLE", "no file /srv/models/broken/1/model.pt")]
        triton.ready.remove(MODERATION_MODEL)
        gateway.wait_ready()
        triton.ready.append(MODERATION_MODEL)
        body = {"model": MODERATION_MODEL, "input": "x"}
        with gateway.client() as client:
            eventually(lambda: "labels.json can't be used" in refusal(client, body)["message"])
            response = client.post("/v1/moderations", json=body)
            assert (response.status_code, refusal(client, body)["code"]) == (500, "model_not_servable")
            assert response.headers["x-should-retry"] == "false"
            assert "retry-after" not in response.headers
            failed = client.post("/v1/chat/completions", json=chat(model="broken"))
            assert (failed.status_code, "/srv" in failed.text) == (500, False)
            ready = client.get("/readyz")
        assert ready.status_code == 200
        states = {name: model["state"] for name, model in ready.json()["models"].items()}
        assert (states[MODERATION_MODEL], states["broken"]) == ("not_servable", "not_servable")
        assert "labels" not in ready.text
        assert "/srv" not in ready.text


def refusal(client: httpx.Client, body: dict[str, str]) -> dict[str, str]:
    return client.post("/v1/moderations", json=body).json()["error"]


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
