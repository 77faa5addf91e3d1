"""The request's id, its metrics, and the last resort."""

from __future__ import annotations

import logging
import string
from typing import Any

import httpx
import pytest

from gateway.middleware.request_context import RequestContext
from tests.fakes.openai import chat


@pytest.mark.parametrize("id_", ["a", "req-1_2.3", "x" * 128])
def test_harmless_id_is_taken_over(client: httpx.Client, id_: str) -> None:
    """So that both sides find a request in their logs."""
    assert client.get("/livez", headers={"x-request-id": id_}).headers["x-request-id"] == id_


@pytest.mark.parametrize("id_", ["", "x" * 129, "a b", "a\tb", "é", "<script>", "a;b", "../x"])
def test_other_id_is_replaced(client: httpx.Client, id_: str) -> None:
    """What could do harm in a log is not repeated."""
    given = client.get("/livez", headers={"x-request-id": id_.encode()}).headers["x-request-id"]
    assert given.startswith("req_")
    assert set(given) <= set(string.ascii_letters + string.digits + "_")


def test_every_answer_has_an_id(client: httpx.Client) -> None:
    """Errors too, each its own."""
    responses = [
        client.get("/nowhere"),
        client.post("/v1/chat/completions", content="{"),
        client.delete("/v1/models"),
        client.post("/v1/chat/completions", json=chat(model="nobody")),
    ]
    ids = {response.headers["x-request-id"] for response in responses}
    assert len(ids) == len(responses)


ODD_METHODS = ("PROPFIND", "MKCOL", "SEARCH", "LINK", "REPORT", "COPY")


def series(client: httpx.Client) -> set[str]:
    return {
        line.rpartition(" ")[0]
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("triton_gateway_") and "_created" not in line
    }


def test_no_client_can_add_series(client: httpx.Client) -> None:
    """A thousand strange paths, methods and models make no more series than one of each."""

    def strange(number: int) -> None:
        client.get(f"/path/{number}")
        client.request(ODD_METHODS[number % len(ODD_METHODS)], "/livez")
        client.get(f"/v1/models/model-{number}")
        client.post("/v1/chat/completions", json=chat(model=f"model-{number}"))

    strange(0)
    series(client)  # has one of its own
    before = series(client)
    for number in range(1, 250):
        strange(number)
    assert series(client) == before
    assert any('route="/v1/models/{model:path}"' in line for line in before)
    assert any('method="other"' in line for line in before)


@pytest.mark.anyio
async def test_unexpected_error_is_a_plain_500(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets our words and the id; the log has the cause."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("not reached")

    async def broken(*_: Any) -> None:
        raise RuntimeError("internal detail")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with caplog.at_level(logging.ERROR):
        await RequestContext(broken, {})(scope, receive, send)
    assert sent[0]["status"] == 500
    assert any(name == b"x-request-id" for name, _ in sent[0]["headers"])
    assert b"internal detail" not in sent[1]["body"]
    assert "internal detail" in caplog.text


@pytest.mark.anyio
async def test_error_after_the_start_sends_nothing_more() -> None:
    """A body that has begun can't become another answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("not reached")

    async def breaks_late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    await RequestContext(breaks_late, {})({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]
