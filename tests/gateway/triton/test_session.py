"""Session travel in the gateway, at the wire: what is sent, what breaks a session, and what becomes of its requests."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial

import grpc
import pytest

from gateway.errors import GatewayError, InternalError, Overloaded, Unavailable
from gateway.generation import Accepted, Delta, GenerationOutput, GenerationRequest
from gateway.ids import new_id
from gateway.triton import mailbox
from gateway.triton import session as session_module
from gateway.triton.client import TritonClient
from gateway.triton.generate import generate
from gateway.triton.session import Frames, SessionBroken
from tests.fakes.reader import pulled
from tests.fakes.triton import CHAT_MODEL, Call, FakeTriton, Message
from tests.fakes.triton_session import FakeSession

pytestmark = pytest.mark.anyio

SOON_S = 5.0


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    """A Triton of the test's own: what is done to sessions here would outlive a shared one's test."""
    with FakeTriton() as fake:
        yield fake


@pytest.fixture
async def triton_client(triton: FakeTriton) -> AsyncGenerator[TritonClient, None]:
    client = TritonClient(triton.address)
    client.sessions.offer(CHAT_MODEL, offered=True)
    yield client
    await client.close()


def request(n: int = 1) -> GenerationRequest:
    return GenerationRequest(new_id(), CHAT_MODEL, "chat", array("i", [5, 6, 7]), {"n": n})


async def outputs_of(client: TritonClient, asked: GenerationRequest | None = None) -> list[GenerationOutput]:
    async with aclosing(pulled(partial(generate, client, asked or request(), stall_timeout_s=60))) as batches:
        return [output async for batch in batches for output in batch]


def text_of(outputs: list[GenerationOutput]) -> str:
    return "".join(output.text for output in outputs if isinstance(output, Delta))


def held(call: Call) -> Iterator[Message]:
    """Accepted and one word, then silence until the gateway aborts."""
    yield [call.accepted()]
    yield [call.delta("Hello")]
    call.cancelled.wait(SOON_S)


def mute(call: Call) -> Iterator[Message]:
    """Not even accepted."""
    call.cancelled.wait(SOON_S)
    yield []


async def opened(triton: FakeTriton) -> FakeSession:
    return await asyncio.to_thread(triton.next_session)


async def received(session: FakeSession, op: str, count: int = 1) -> list[dict[str, object]]:
    return await asyncio.to_thread(session.wait_for, op, count)


async def test_requests_share_one_call(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Many at a time, one session, every answer whole and with its own request."""
    answers = await asyncio.gather(*(outputs_of(triton_client) for _ in range(50)))
    assert {text_of(answer) for answer in answers} == {"Hello world."}
    [session] = triton.sessions
    assert len({envelope["rid"] for envelope in session.of("generate")}) == 50
    assert {envelope["session"] for envelope in session.of("generate")} == {session.sid}
    assert session.of("abort") == []
    assert triton_client.in_flight == 0


async def test_opening_negotiates(triton: FakeTriton, triton_client: TritonClient) -> None:
    """The id has 128 bits, and the versions are those this gateway speaks."""
    await outputs_of(triton_client)
    session = await opened(triton)
    assert len(bytes.fromhex(session.sid)) == 16


async def test_without_the_offer_requests_travel_alone(triton: FakeTriton) -> None:
    """A backend that is not ours never sees a session."""
    client = TritonClient(triton.address)
    assert text_of(await outputs_of(client)) == "Hello world."
    assert triton.sessions == []
    await client.close()


async def test_setting_forbids_sessions(triton: FakeTriton) -> None:
    """`travel = direct`, whatever the backend offers."""
    client = TritonClient(triton.address, sessions=False)
    client.sessions.offer(CHAT_MODEL, offered=True)
    assert text_of(await outputs_of(client)) == "Hello world."
    assert triton.sessions == []
    await client.close()


async def test_leaving_early_aborts(triton: FakeTriton, triton_client: TritonClient) -> None:
    """The engine is told by name; the session and everybody else live on."""
    triton.script = held
    asked = request()
    async with aclosing(pulled(partial(generate, triton_client, asked, stall_timeout_s=60))) as batches:
        await anext(batches)
    session = await opened(triton)
    [abort] = await received(session, "abort")
    assert (abort["target"], abort["session"]) == (asked.request_id, session.sid)
    triton.reset()
    assert text_of(await outputs_of(triton_client)) == "Hello world."
    assert len(triton.sessions) == 1


async def test_abort_may_cross_the_end(triton: FakeTriton, triton_client: TritonClient) -> None:
    """What still comes of a request that was left is dropped without harm."""
    release = threading.Event()

    def crosses(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        release.wait(SOON_S)
        yield [call.delta("late"), call.end()]

    triton.script = crosses
    asked = request()
    async with aclosing(pulled(partial(generate, triton_client, asked, stall_timeout_s=60))) as batches:
        await anext(batches)
    session = await opened(triton)
    session.say([asked.request_id, "delta", 0, "late", 1, None], [asked.request_id, "end", 0, "stop", None, None])
    release.set()
    triton.reset()
    assert text_of(await outputs_of(triton_client)) == "Hello world."


async def test_gap_breaks_the_session(triton: FakeTriton, triton_client: TritonClient) -> None:
    """A lost message: what was said can't be completed, and nobody hangs."""
    triton.script = held
    tasks = [asyncio.create_task(outputs_of(triton_client)) for _ in range(3)]
    session = await opened(triton)
    await received(session, "generate", 3)
    session.lose_a_frame()
    session.say()
    for result in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SOON_S):
        assert isinstance(result, Unavailable)
    assert await asyncio.to_thread(session.ended.wait, SOON_S)
    assert triton_client.in_flight == 0


@pytest.mark.parametrize(
    "raw", [b"not JSON", b'{"a": 1}', b"[[1]]", b'[["sid", "frame", null]]', b'[["other", "frame", null, 1]]']
)
async def test_garbage_breaks_the_session(triton: FakeTriton, triton_client: TritonClient, raw: bytes) -> None:
    """What does not follow the protocol is not guessed at."""
    triton.script = held
    task = asyncio.create_task(outputs_of(triton_client))
    session = await opened(triton)
    await received(session, "generate")
    session.say_bytes(raw)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, SOON_S)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, None])
async def test_end_of_the_call_breaks_the_session(
    triton: FakeTriton, triton_client: TritonClient, code: grpc.StatusCode | None
) -> None:
    """However the call ends, each of its requests ends, with what it was told before."""
    triton.script = held
    batches = pulled(partial(generate, triton_client, request(), stall_timeout_s=60))
    assert await anext(batches) == [Accepted(3)]
    session = await opened(triton)
    if code is None:
        session.end()
    else:
        session.fail(code)
    with pytest.raises(Unavailable):
        async for _ in batches:
            pass


async def test_backend_ending_the_session_breaks_it(triton: FakeTriton, triton_client: TritonClient) -> None:
    """An error that speaks of the session itself, as when no ping came through."""
    triton.script = mute
    task = asyncio.create_task(outputs_of(triton_client))
    session = await opened(triton)
    await received(session, "generate")
    session.say([session.sid, "error", None, "cancelled", None, None, "no ping for 15 s"])
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, SOON_S)


async def test_after_a_break_requests_travel_alone_then_by_a_new_session(
    triton: FakeTriton, triton_client: TritonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits for the reconnection, and the pause before it is short and random."""
    await outputs_of(triton_client)
    (await opened(triton)).end()
    loop = asyncio.get_running_loop()
    ended = loop.time()
    while triton_client.sessions.get(CHAT_MODEL) is not None:
        assert loop.time() - ended < SOON_S
        await asyncio.sleep(0)
    assert text_of(await outputs_of(triton_client)) == "Hello world."
    assert len(triton.sessions) == 1
    real_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: real_time() + 1.1)
    assert text_of(await outputs_of(triton_client)) == "Hello world."
    assert len(triton.sessions) == 2


async def test_silence_breaks_the_session(
    triton: FakeTriton, triton_client: TritonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither records nor heartbeats: a path that is dead without a word."""
    monkeypatch.setattr(session_module, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(session_module, "SILENCE_LIMIT_S", 0.4)
    triton.script = mute
    task = asyncio.create_task(outputs_of(triton_client))
    session = await opened(triton)
    await received(session, "ping", 3)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, SOON_S)
    assert await asyncio.to_thread(session.ended.wait, SOON_S)


async def test_heartbeats_keep_it_open(
    triton: FakeTriton, triton_client: TritonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long prefill is no silence."""
    monkeypatch.setattr(session_module, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(session_module, "SILENCE_LIMIT_S", 1.0)
    triton.script = held
    task = asyncio.create_task(outputs_of(triton_client))
    session = await opened(triton)
    for count in range(1, 31):
        await received(session, "ping", count)
        session.say()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await received(session, "abort")


async def test_id_in_use_is_refused_here(triton: FakeTriton, triton_client: TritonClient) -> None:
    """A second request with the id of a running one would get the first one's records."""
    triton.script = held
    asked = request()
    async with aclosing(pulled(partial(generate, triton_client, asked, stall_timeout_s=60))) as batches:
        assert await anext(batches) == [Accepted(3)]
        with pytest.raises(InternalError):
            await outputs_of(triton_client, asked)
        assert await anext(batches) == [Delta(0, "Hello", 1, None)]


async def test_slow_reader_gets_joined_text(triton: FakeTriton, triton_client: TritonClient) -> None:
    """What gathers while nobody takes it is merged, and complete."""

    def flood(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        for _ in range(100):
            yield [call.delta("ab") for _ in range(20)]
        yield [call.end(completion_tokens=2000)]

    triton.script = flood
    batches = pulled(partial(generate, triton_client, request(), stall_timeout_s=60))
    first = await anext(batches)
    # Another request's answer comes behind it on the same call.
    while not text_of(await outputs_of(triton_client)).endswith("ab" * 2000):
        pass
    rest = [batch async for batch in batches]
    outputs = [*first, *(output for batch in rest for output in batch)]
    assert text_of(outputs) == "ab" * 2000
    assert sum(output.token_count for output in outputs if isinstance(output, Delta)) == 2000
    assert len(outputs) < 500


async def test_reader_that_never_comes_is_given_up(
    triton: FakeTriton, triton_client: TritonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the request is aborted in the engine and ends with one error; the others do not notice."""
    monkeypatch.setattr(mailbox, "LIMIT_BYTES", 10_000)

    def endless(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        while not call.cancelled.wait(0.001):
            yield [call.delta("x" * 1000)]

    triton.script = endless
    batches = pulled(partial(generate, triton_client, request(), stall_timeout_s=60))
    assert await anext(batches) == [Accepted(3)]
    session = await opened(triton)
    await received(session, "abort")
    triton.reset()
    assert text_of(await outputs_of(triton_client)) == "Hello world."
    with pytest.raises(Overloaded):
        async for _ in batches:
            pass
    assert len(session.of("abort")) == 1


async def test_old_session_gives_way(triton: FakeTriton) -> None:
    """Before a connection's age ends: new work by a new session, the old one closes when it is empty."""
    client = TritonClient(triton.address, session_age_s=0.2)
    client.sessions.offer(CHAT_MODEL, offered=True)
    triton.script = held
    batches = pulled(partial(generate, client, request(), stall_timeout_s=60))
    assert await anext(batches) == [Accepted(3)]
    old = await opened(triton)
    await asyncio.sleep(0.25)
    triton.reset()
    assert text_of(await outputs_of(client)) == "Hello world."
    assert len(triton.sessions) == 2
    assert not old.of("close")
    assert await anext(batches) == [Delta(0, "Hello", 1, None)]
    await batches.aclose()
    await received(old, "close")
    assert await asyncio.to_thread(old.ended.wait, SOON_S)
    await client.close()


async def test_withdrawn_offer_closes_the_session(triton: FakeTriton, triton_client: TritonClient) -> None:
    """A model that is loaded again with another backend."""
    await outputs_of(triton_client)
    session = await opened(triton)
    triton_client.sessions.offer(CHAT_MODEL, offered=False)
    await received(session, "close")
    assert triton_client.sessions.get(CHAT_MODEL) is None


async def test_closing_the_client_closes_its_sessions(triton: FakeTriton) -> None:
    """Shutdown: requests are aborted and end, the backend is told, Triton has nothing in flight."""
    client = TritonClient(triton.address)
    client.sessions.offer(CHAT_MODEL, offered=True)
    triton.script = held
    task = asyncio.create_task(outputs_of(client))
    session = await opened(triton)
    await received(session, "generate")
    await client.close()
    with pytest.raises(GatewayError):
        await asyncio.wait_for(task, SOON_S)
    assert [len(session.of(op)) for op in ("abort", "close")] == [1, 1]
    assert await asyncio.to_thread(session.ended.wait, SOON_S)


async def test_absent_triton_is_unavailable_at_once() -> None:
    """A session that can't even be opened fails its requests as a call of their own would."""
    client = TritonClient("127.0.0.1:1")
    client.sessions.offer(CHAT_MODEL, offered=True)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(outputs_of(client), SOON_S)
    await client.close()


async def test_triton_dying_ends_every_request(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Killed in the middle of many answers: each ends, none twice, and the client is as new."""
    triton.script = held
    tasks = [asyncio.create_task(outputs_of(triton_client)) for _ in range(20)]
    session = await opened(triton)
    await received(session, "generate", 20)
    await asyncio.to_thread(triton.stop)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SOON_S)
    assert {type(result) for result in results} == {Unavailable}
    assert triton_client.in_flight == 0


def test_frames_are_counted_from_zero() -> None:
    """Each number once and in order; records without one belong to single requests."""
    frames = Frames("s")
    assert frames.feed([["s", "frame", None, 0], ["a", "delta", 0]]) == [["a", "delta", 0]]
    assert frames.feed([["a", "error", None]]) == [["a", "error", None]]
    assert frames.feed([]) == []
    assert frames.feed([["s", "frame", None, 1]]) == []
    for head in (["s", "frame", None, 1], ["s", "frame", None, 3], ["t", "frame", None, 2], ["s", "frame", None]):
        with pytest.raises(SessionBroken):
            frames.feed([head])
