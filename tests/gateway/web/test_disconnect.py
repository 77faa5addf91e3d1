"""Clients that leave: the work ends in Triton at once, and the permit comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest

from gateway.web.disconnect import CancelledByDisconnect, ClientDisconnected
from gateway.web.extensions import ON_DISCONNECT
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import WAIT_S, Gate, chat, completion, eventually
from tests.fakes.triton import FakeTriton


@pytest.fixture(scope="module")
def _narrow(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    settings = {"max_in_flight": 1, "max_queued": 1, "accept_timeout_s": 0.3, **PROBED_ONCE}
    with running_gateway(triton_urls=(_shared_triton.address,), **settings) as gateway:
        gateway.wait_ready()
        yield gateway


@pytest.fixture
def narrow(_narrow: RunningGateway, triton: FakeTriton) -> RunningGateway:
    """A gateway with one permit and one place in the queue: a lost permit shows."""
    return _narrow


@contextmanager
def raw_request(gateway: RunningGateway, body: dict[str, Any], path: str) -> Generator[socket.socket, None, None]:
    """A request on a socket of its own, which is closed at the end of the block, read or not."""
    address = httpx.URL(gateway.url)
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port or 80), timeout=WAIT_S) as connection:
        connection.sendall(head.encode() + content)
        yield connection


def read_until(connection: socket.socket, marker: bytes) -> bytes:
    received = b""
    while marker not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def assert_permit_is_back(gateway: RunningGateway, triton: FakeTriton) -> None:
    """The only permit can be taken again."""
    triton.reset()
    with gateway.client() as client:
        assert client.post("/v1/chat/completions", json=chat()).json()["choices"]
        metrics = client.get("/metrics").text
    assert "triton_gateway_in_flight 0.0" in metrics
    assert "triton_gateway_queued 0.0" in metrics


@pytest.mark.parametrize(
    ("path", "body", "generations"),
    [
        ("/v1/chat/completions", chat(), 1),
        ("/v1/completions", completion(), 1),
        ("/v1/completions", completion(prompt=["a", "b"]), 2),
    ],
    ids=["chat", "completion", "prompts"],
)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("before", [0, 1, 2], ids=["before anything", "before content", "after content"])
def test_leaving_cancels_in_triton(
    narrow: RunningGateway,
    triton: FakeTriton,
    path: str,
    body: dict[str, Any],
    generations: int,
    stream: bool,
    before: int,
) -> None:
    """At every stage, streamed or not, one prompt or several."""
    with Gate(before) as gate:
        triton.script = gate
        with raw_request(narrow, {**body, "stream": stream}, path) as connection:
            calls = [triton.next_call() for _ in range(generations)]
            if stream and before == 2:
                read_until(connection, b"Hello")
            assert not any(call.cancelled.is_set() for call in calls)
        assert all(call.cancelled.wait(WAIT_S) for call in calls)
    assert_permit_is_back(narrow, triton)


def test_leaving_after_headers_cancels_too(narrow: RunningGateway, triton: FakeTriton) -> None:
    """200 was sent because the engine took its time; nothing of the answer has come yet."""
    with Gate(0) as gate:
        triton.script = gate
        with raw_request(narrow, chat(stream=True), "/v1/chat/completions") as connection:
            read_until(connection, b"200 OK")
            call = triton.next_call()
        assert call.cancelled.wait(WAIT_S)
    assert_permit_is_back(narrow, triton)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_leaving_the_queue_frees_the_place(narrow: RunningGateway, triton: FakeTriton, stream: bool) -> None:
    """Who waits for a turn and leaves never gets to Triton, and the next may wait."""
    with Gate(1) as gate, narrow.client() as client:
        triton.script = gate
        with raw_request(narrow, chat(), "/v1/chat/completions"):
            first = triton.next_call()
            with raw_request(narrow, chat(stream=stream), "/v1/chat/completions"):
                eventually(lambda: "triton_gateway_queued 1.0" in client.get("/metrics").text)
                refused = client.post("/v1/chat/completions", json=chat())
                assert refused.status_code == 429
                assert refused.json()["error"]["code"] == "rate_limit_exceeded"
                assert int(refused.headers["retry-after"]) >= 1
                assert int(refused.headers["retry-after-ms"]) >= 1000
            eventually(lambda: "triton_gateway_queued 0.0" in client.get("/metrics").text)
        assert first.cancelled.wait(WAIT_S)
        assert len(triton.calls) == 1
    assert_permit_is_back(narrow, triton)


def test_queued_requests_get_their_turn(narrow: RunningGateway, triton: FakeTriton) -> None:
    """One in work, one waiting: both are answered."""
    with Gate(1) as gate:
        triton.script = gate
        with (
            raw_request(narrow, chat(stream=True), "/v1/chat/completions") as first,
            raw_request(narrow, chat(stream=True), "/v1/chat/completions") as second,
        ):
            triton.next_call()
            gate.opened.set()
            for connection in (first, second):
                read_until(connection, b"[DONE]")
    assert_permit_is_back(narrow, triton)


def test_disconnects_are_counted(narrow: RunningGateway, triton: FakeTriton) -> None:
    """By route, and the request itself as 499."""
    with Gate(0) as gate, narrow.client() as client:
        triton.script = gate
        with raw_request(narrow, completion(), "/v1/completions"):
            call = triton.next_call()
        assert call.cancelled.wait(WAIT_S)
        eventually(lambda: 'route="/v1/completions",status="499"' in client.get("/metrics").text)
        assert 'triton_gateway_disconnects_total{route="/v1/completions"}' in client.get("/metrics").text


class Client:
    """The receiving end of an ASGI request, whose client leaves when told; of our server with `calls_back`."""

    def __init__(self, *, calls_back: bool) -> None:
        self.left = asyncio.Event()
        self.scope: dict[str, Any] = {ON_DISCONNECT: self._on_disconnect} if calls_back else {}
        self.call: Callable[[], object] | None = None

    def _on_disconnect(self, call: Callable[[], object] | None) -> None:
        self.call = call
        if call is not None and self.left.is_set():
            call()

    def leave(self) -> None:
        self.left.set()
        if self.call is not None:
            self.call()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}


@pytest.fixture(params=[False, True], ids=["awaited", "called back"])
def leaving(request: pytest.FixtureRequest) -> Client:
    return Client(calls_back=request.param)


@pytest.mark.anyio
@pytest.mark.parametrize("before", [False, True])
async def test_block_is_cancelled_and_says_why(leaving: Client, before: bool) -> None:
    """ClientDisconnected in place of the cancellation, and the task goes on; also when the client had left before."""
    if before:
        leaving.leave()
    else:
        asyncio.get_running_loop().call_soon(leaving.leave)
    with pytest.raises(ClientDisconnected):
        async with CancelledByDisconnect(leaving.scope, leaving.receive):
            await asyncio.sleep(WAIT_S)
    await asyncio.sleep(0)  # not cancelled any more


@pytest.mark.anyio
async def test_other_cancellation_stays_one(leaving: Client) -> None:
    """A task that is cancelled from outside is not taken for one whose client has left, even when it has."""
    inside = asyncio.Event()

    async def work() -> None:
        async with CancelledByDisconnect(leaving.scope, leaving.receive):
            inside.set()
            await asyncio.sleep(WAIT_S)

    for also_leaves in (False, True):
        inside.clear()
        task = asyncio.create_task(work())
        await inside.wait()
        if also_leaves:
            leaving.leave()
        task.cancel()
        with pytest.raises((asyncio.CancelledError, ClientDisconnected)):
            await task
        assert task.cancelled() or also_leaves


@pytest.mark.anyio
async def test_nothing_watches_after_the_block(leaving: Client) -> None:
    """A client that leaves later cancels nothing."""
    async with CancelledByDisconnect(leaving.scope, leaving.receive):
        pass
    leaving.leave()
    await asyncio.sleep(0.01)
