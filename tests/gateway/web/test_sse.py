"""Streams as they are written: what is a status, what is an event, and how a body ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import orjson
import pytest

from gateway.answers.chunks import ChunkSink
from gateway.errors import BadRequest
from gateway.web.sse import EventStream, EventWriter
from tests.fakes.gateway import RunningGateway
from tests.fakes.openai import Gate, chat, chunks, completion, events, streaming
from tests.fakes.triton import Abort, Call, FakeTriton, Message, StreamError

ERRORS = {
    "bad_request": (400, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "overloaded": (429, "requests"),
    "unavailable": (503, "server_error"),
    "cancelled": (503, "server_error"),
    "timeout": (504, "server_error"),
    "internal": (500, "server_error"),
    "unheard of": (500, "server_error"),
}
KEEPS_ITS_WORDS = ("bad_request", "not_found")


def failing(kind: str, after: int) -> Any:
    """A script that fails with an `error` record after so many messages."""

    def script(call: Call) -> Iterator[Message]:
        yield from ([[call.accepted()], [call.delta("Hello")]])[:after]
        yield [call.error(kind, code="a_code" if kind == "bad_request" else None)]

    return script


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", chat()), ("/v1/completions", completion())])
def test_early_error_is_a_status(
    triton: FakeTriton, client: httpx.Client, kind: str, stream: bool, path: str, body: dict[str, Any]
) -> None:
    """Before anything was said an error has its status, streamed or not, and the envelope."""
    triton.script = failing(kind, 0)
    response = client.post(path, json={**body, "stream": stream})
    status, type_ = ERRORS[kind]
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (status, type_)
    assert ("internal detail" in response.text) is (kind in KEEPS_ITS_WORDS)
    assert error["code"] == "a_code" or kind != "bad_request"
    assert ("retry-after" in response.headers) is (status in (429, 503))


@pytest.mark.parametrize("kind", ERRORS)
def test_late_error_is_one_event(triton: FakeTriton, client: httpx.Client, kind: str) -> None:
    """After content: 200, exactly one error event, the last one, no [DONE], and a clean end of the body."""
    triton.script = failing(kind, 2)
    with streaming(client, chat()) as response:
        assert response.status_code == 200
        data = events(response.read().decode())
    *content, last = [orjson.loads(event) for event in data]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in content) == "Hello"
    assert not any("error" in chunk for chunk in content)
    assert set(last) == {"error"}
    assert last["error"]["type"] == ERRORS[kind][1]
    assert ("internal detail" in last["error"]["message"]) is (kind in KEEPS_ITS_WORDS)
    whole = client.post("/v1/chat/completions", json=chat())
    assert whole.status_code == ERRORS[kind][0]


@pytest.mark.parametrize(
    "failure",
    [Abort(grpc.StatusCode.UNAVAILABLE), Abort(grpc.StatusCode.INTERNAL), StreamError("internal detail"), None],
    ids=["unavailable", "internal", "text", "malformed"],
)
def test_break_after_content_is_one_event(triton: FakeTriton, client: httpx.Client, failure: Any) -> None:
    """Triton dies, complains or talks nonsense in mid-answer."""

    def script(call: Call) -> Iterator[Message]:
        yield [call.accepted(), call.delta("Hello")]
        if isinstance(failure, Abort):
            raise failure
        yield failure or [[call.rid, "delta", "internal detail"]]

    triton.script = script
    with streaming(client, chat()) as response:
        body = response.read().decode()
    data = [orjson.loads(event) for event in events(body)]
    assert [set(event) == {"error"} for event in data] == [False, False, True]
    assert "internal detail" not in body


def test_sdk_raises_a_late_error(triton: FakeTriton, gateway: RunningGateway) -> None:
    """The official SDK makes an APIError of the event."""
    import openai

    triton.script = failing("internal", 2)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        stream = sdk.chat.completions.create(
            model="toy-chat", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="The server had an error"):
            list(stream)


def test_headers_wait_for_acceptance(triton: FakeTriton, client: httpx.Client) -> None:
    """A refusal that comes after a moment is still a status: 200 is not sent before the engine's word."""

    def slow_refusal(call: Call) -> Iterator[Message]:
        time.sleep(0.2)
        yield [call.error("bad_request", "no such grammar")]

    triton.script = slow_refusal
    assert client.post("/v1/chat/completions", json=chat(stream=True)).status_code == 400


def test_headers_wait_no_longer_than_allowed(triton: FakeTriton, client: httpx.Client) -> None:
    """After `accept_timeout_s` the client gets 200 and pings; the answer follows when it comes."""
    with Gate(0) as gate:
        triton.script = gate
        with streaming(client, chat()) as response:
            assert response.status_code == 200
            pieces = response.iter_raw()
            assert next(pieces) == b": ping\n\n"
            gate.opened.set()
            body = b"".join(pieces).decode()
    assert chunks(body)[-1]["choices"][0]["finish_reason"] == "stop"


def test_headers_come_with_acceptance(triton: FakeTriton, client: httpx.Client) -> None:
    """`accepted` alone opens the stream: a long prefill shows pings, and the role comes with the first token."""
    with Gate(1) as gate:
        triton.script = gate
        with streaming(client, chat()) as response:
            pieces = response.iter_raw()
            assert next(pieces) == b": ping\n\n"
            gate.opened.set()
            first = next(piece for piece in pieces if piece != b": ping\n\n")
            assert first.count(b"data: ") > 1, "the role shares a write with the first token"
            assert b'"role":"assistant"' in first
            assert b"[DONE]" in b"".join(pieces)


def test_silence_after_content_ends_the_stream(triton: FakeTriton, client: httpx.Client) -> None:
    """A Triton that falls silent for `stall_timeout_s` is given up with a timeout event."""
    with Gate(2) as gate:
        triton.script = gate
        with streaming(client, chat()) as response:
            data = events(response.read().decode())
    assert orjson.loads(data[-1])["error"]["code"] == "timeout"


@pytest.mark.anyio
async def test_frames_are_one_write() -> None:
    """Several chunks, one piece of bytes."""

    async def work(sink: ChunkSink) -> list[bytes]:
        sink.write([b"{}", b"[1]"])
        return []

    _, body, end = await play(EventStream(work, ping_interval_s=60))
    assert body["body"] == b"data: {}\n\ndata: [1]\n\n"
    assert end["body"] == b"data: [DONE]\n\n"


async def broken(sink: ChunkSink) -> list[bytes]:
    sink.write([b"{}"])
    raise RuntimeError("internal detail")


@pytest.mark.anyio
async def test_unexpected_error_is_one_event() -> None:
    """A fault of our own in mid-stream ends it like any other error; its words stay inside."""
    sent = await play(EventStream(broken, ping_interval_s=60))
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * 2
    assert sent[-1]["more_body"] is False
    assert b"server_error" in sent[-1]["body"]
    assert b"internal detail" not in sent[-1]["body"]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [BadRequest("no"), RuntimeError("fault")])
async def test_error_before_the_first_event_is_raised(error: Exception) -> None:
    """Nothing was sent: whoever is above can still answer with a status."""

    async def refused(_: ChunkSink) -> list[bytes]:
        raise error

    with pytest.raises(type(error)):
        await play(EventStream(refused, ping_interval_s=60))


@pytest.mark.anyio
async def test_work_is_ended_when_sending_fails() -> None:
    """Whatever goes wrong with the connection, from the first message on, the one who sends is told."""
    for failing_message in (0, 1):
        raised: list[Exception] = []

        async def work(sink: ChunkSink, raised: list[Exception] = raised) -> list[bytes]:
            try:
                sink.write([b"{}"])
            except OSError as error:
                raised.append(error)
                raise
            return []

        with pytest.raises(OSError, match="broken pipe"):
            await play(EventStream(work, ping_interval_s=60), fail_from=failing_message)
        assert raised


@pytest.mark.anyio
async def test_slow_client_holds_the_source_back() -> None:
    """`write` says so, pings do not pile up, and what was written meanwhile comes in order."""
    reads = asyncio.Event()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if len(sent) == 2:
            await reads.wait()
        sent.append(message)

    writer = EventWriter(send, send, ping_interval_s=0.001)
    assert writer.write([b"1"]) is None
    blocked = writer.write([b"2"])
    assert blocked is not None
    assert writer.write([b"3"]) is blocked
    await asyncio.sleep(0.02)
    assert not blocked.done()
    reads.set()
    await blocked
    writer.close()
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]


@pytest.mark.anyio
async def test_single_chunks_go_past_send_while_the_server_takes_them() -> None:
    """In order with those that don't, and as `send` would when the client does not read."""
    written: list[bytes] = []
    reads = asyncio.Event()

    async def send(message: Any) -> None:
        if len(written) == 4:
            await reads.wait()
        written.append(message.get("body", b"head"))

    def write_part(part: bytes) -> bool:
        if len(written) == 4:
            return False
        written.append(part)
        return True

    writer = EventWriter(send, send, ping_interval_s=60, write_part=write_part)
    writer.write([])
    assert writer.write_one(b"1") is None
    assert writer.write([b"2"]) is None
    assert writer.write_one(b"3") is None
    blocked = writer.write_one(b"4")
    assert blocked is not None
    assert writer.write_one(b"5") is blocked
    reads.set()
    await blocked
    assert writer.write_one(b"6") is None
    writer.close()
    assert written == [b"head", *(b"data: %d\n\n" % number for number in range(1, 7))]


@pytest.mark.anyio
async def test_connection_that_fails_while_blocked_is_said_to_the_source() -> None:
    """By the next write, and by the end."""

    async def send(message: Any) -> None:
        if "body" in message:
            await asyncio.sleep(0)
            raise OSError("broken pipe")

    writer = EventWriter(send, send, ping_interval_s=60)
    assert writer.write([b"1"]) is not None
    await asyncio.sleep(0.01)
    with pytest.raises(OSError, match="broken pipe"):
        writer.write([b"2"])
    with pytest.raises(OSError, match="broken pipe"):
        await writer.end(b"")
    writer.close()


async def play(response: EventStream, *, fail_from: int | None = None) -> list[Any]:
    """The messages that a response sends to a client which stays."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if fail_from is not None and len(sent) >= fail_from:
            raise OSError("broken pipe")
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    await response({"type": "http"}, receive, send)
    return sent
