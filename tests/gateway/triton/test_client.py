"""One Triton over a real gRPC socket: what is cancelled, what is translated."""

from __future__ import annotations

import asyncio
import socket
import threading
from array import array
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial

import grpc
import pytest

from gateway.errors import GatewayError, InternalError, Overloaded, Unavailable, UpstreamTimeout
from gateway.generation import Accepted, Delta, End, GenerationOutput, GenerationRequest, Usage
from gateway.ids import new_id
from gateway.triton.client import ModelControlFailed, RepositoryModel, TritonClient
from gateway.triton.generate import generate
from tests.fakes.reader import pulled
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, Abort, Call, FakeTriton, Message, StreamError

pytestmark = pytest.mark.anyio

SOON_S = 5.0


@pytest.fixture
async def triton_client(triton: FakeTriton) -> AsyncGenerator[TritonClient, None]:
    client = TritonClient(triton.address)
    client.sessions.offer(CHAT_MODEL, offered="session" in triton.travel)
    yield client
    await client.close()


def request(n: int = 1) -> GenerationRequest:
    return GenerationRequest(new_id(), CHAT_MODEL, "chat", array("i", [5, 6, 7]), {"n": n})


async def outputs_of(client: TritonClient, *, stall_timeout_s: float = SOON_S, n: int = 1) -> list[GenerationOutput]:
    async with aclosing(pulled(partial(generate, client, request(n), stall_timeout_s=stall_timeout_s))) as batches:
        return [output async for batch in batches for output in batch]


async def test_generation_ends_with_its_usage(triton: FakeTriton, triton_client: TritonClient) -> None:
    """The outputs of a friendly Triton, and the request as it arrived there."""
    assert await outputs_of(triton_client) == [
        Accepted(3),
        Delta(0, "Hello", 1, None),
        Delta(0, " world.", 1, None),
        End(0, "stop", None, Usage(3, 2, 0)),
    ]
    [call] = triton.calls
    assert call.token_ids == [5, 6, 7]
    envelope = {key: value for key, value in call.envelope.items() if key != "session"}
    assert {**envelope, "rid": "r"} == {"v": 1, "op": "generate", "rid": "r", "api": "chat", "body": {"n": 1}}
    assert triton_client.in_flight == 0


async def test_complete_answer_is_not_cancelled(triton: FakeTriton, triton_client: TritonClient) -> None:
    """After the final response the call may come to its own end: Triton minds a cancellation just then."""
    seen: list[bool] = []
    over = threading.Event()

    def slow_to_end(call: Call) -> Iterator[Message]:
        yield [call.accepted(), call.delta("Hello"), call.end()]
        seen.append(call.cancelled.wait(0.3))
        over.set()

    triton.script = slow_to_end
    await outputs_of(triton_client)
    assert await asyncio.to_thread(over.wait, SOON_S)
    assert seen == [False]


async def test_leaving_cancels_in_triton(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Closing the generator early is seen by the backend at once."""

    def silent_after_one(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        call.cancelled.wait(SOON_S)

    triton.script = silent_after_one
    async with aclosing(pulled(partial(generate, triton_client, request(), stall_timeout_s=60))) as batches:
        assert await anext(batches) == [Accepted(3)]
        assert triton_client.in_flight == 1
    assert await asyncio.to_thread(triton.calls[0].cancelled.wait, SOON_S)
    assert triton_client.in_flight == 0


async def test_cancelled_task_cancels_in_triton(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Also while the first message is still awaited, and the cancellation stays one."""
    arrived = threading.Event()

    def mute(call: Call) -> Iterator[Message]:
        arrived.set()
        call.cancelled.wait(SOON_S)
        yield []

    triton.script = mute
    task = asyncio.create_task(outputs_of(triton_client, stall_timeout_s=60))
    assert await asyncio.to_thread(arrived.wait, SOON_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(triton.calls[0].cancelled.wait, SOON_S)


async def test_silence_is_a_timeout(triton: FakeTriton, triton_client: TritonClient) -> None:
    """No message for so long: UpstreamTimeout, and the call is cancelled."""

    def mute(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        call.cancelled.wait(SOON_S)

    triton.script = mute
    with pytest.raises(UpstreamTimeout):
        await outputs_of(triton_client, stall_timeout_s=0.2)
    assert await asyncio.to_thread(triton.calls[0].cancelled.wait, SOON_S)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Request for unknown model: 'm' is not found", Unavailable), ("internal detail", InternalError)],
)
async def test_text_in_stream_is_translated(
    triton: FakeTriton, triton_client: TritonClient, text: str, expected: type[GatewayError]
) -> None:
    """`error_message` is all that Triton says within a stream."""
    triton.script = lambda call: iter([StreamError(text)])
    with pytest.raises(expected) as caught:
        await outputs_of(triton_client)
    assert "internal detail" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.INTERNAL, InternalError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, UpstreamTimeout),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_broken_stream_is_translated(
    triton: FakeTriton, triton_client: TritonClient, code: grpc.StatusCode, expected: type[GatewayError]
) -> None:
    """Any status with which a call breaks; one that the server cancels is no cancellation of ours. A session that breaks
    says nothing of the requests on it."""
    if "session" in triton.travel:
        expected = Unavailable

    def breaks(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        raise Abort(code)

    triton.script = breaks
    with pytest.raises(expected):
        await outputs_of(triton_client)
    assert triton_client.in_flight == 0


async def test_stream_that_just_ends_is_unavailable(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Without a terminal record nobody knows what became of the request."""
    triton.script = lambda call: iter([[call.accepted()], [call.delta("x")]])
    with pytest.raises(Unavailable):
        await outputs_of(triton_client)


async def test_outputs_before_an_error_are_given(triton: FakeTriton, triton_client: TritonClient) -> None:
    """What came in the same message as an error comes first."""
    triton.script = lambda call: iter([[call.accepted(), call.delta("x"), call.error("overloaded")]])
    async with aclosing(pulled(partial(generate, triton_client, request(), stall_timeout_s=SOON_S))) as batches:
        assert await anext(batches) == [Accepted(3), Delta(0, "x", 1, None)]
        with pytest.raises(Overloaded):
            await anext(batches)


async def test_choice_beyond_n_is_our_fault(triton: FakeTriton, triton_client: TritonClient) -> None:
    """A backend that answers in choices nobody asked for."""
    triton.script = lambda call: iter([[call.accepted(), call.delta("x", choice=2)]])
    with pytest.raises(InternalError):
        await outputs_of(triton_client, n=2)


async def test_absent_triton_is_unavailable() -> None:
    """A port where nobody listens, for streams and for single calls."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = TritonClient(f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(Unavailable):
            await outputs_of(client)
        with pytest.raises(Unavailable):
            await client.repository_index()
        await client.close()


async def test_closing_ends_open_calls(triton: FakeTriton) -> None:
    """Shutdown: whoever still reads gets an end, not an eternity."""

    def mute(call: Call) -> Iterator[Message]:
        call.cancelled.wait(SOON_S)
        yield []

    triton.script = mute
    client = TritonClient(triton.address)
    reader = asyncio.create_task(outputs_of(client, stall_timeout_s=60))
    await asyncio.to_thread(triton.next_call)
    await client.close()
    with pytest.raises((GatewayError, asyncio.CancelledError)):
        await asyncio.wait_for(reader, SOON_S)


async def test_models_are_listed(triton: FakeTriton, triton_client: TritonClient) -> None:
    """With version and state, and the configuration of each."""
    models = await triton_client.repository_index()
    assert RepositoryModel(CHAT_MODEL, "1", "READY", "") in models
    assert (await triton_client.model_config(EMBEDDING_MODEL)).max_batch_size == 4


async def test_proxy_of_the_environment_is_not_used(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is wanted: a client of Docker with a proxy puts its variables into every container."""
    for name in ("no_proxy", "no_grpc_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    direct, by_proxy = TritonClient(triton.address), TritonClient(triton.address, by_proxy=True)
    try:
        assert await direct.repository_index()
        with pytest.raises(Unavailable):
            await by_proxy.repository_index()
    finally:
        await direct.close()
        await by_proxy.close()


async def test_a_model_is_loaded_and_unloaded() -> None:
    """By name, and the index shows it."""
    with FakeTriton() as triton:
        triton.ready = []
        client = TritonClient(triton.address, sessions=False)
        await client.load_model("toy")
        assert [model.name for model in await client.repository_index()] == ["toy"]
        await client.unload_model("toy")
        assert await client.repository_index() == []
        await client.close()


async def test_the_reason_why_a_model_does_not_load_is_one_line() -> None:
    """Triton's, without what it puts around it: recorded with Triton 2.51."""
    with FakeTriton() as triton:
        triton.unloadable = {
            "bad": "version 1 is at UNAVAILABLE state: Internal: ValueError: no weights\n\nAt:\n  x(5): y\n;\n"
        }
        client = TritonClient(triton.address, sessions=False)
        with pytest.raises(ModelControlFailed) as caught:
            await client.load_model("bad")
        assert str(caught.value) == "Internal: ValueError: no weights At: x(5): y"
        await client.close()


@pytest.mark.parametrize(
    ("reason", "may_pass"),
    [
        ("version 1 is at UNAVAILABLE state: Internal: Stub process 'bad_0' is not healthy.;\n", True),
        (
            "version 1 is at UNAVAILABLE state: Internal: RuntimeError: Engine core initialization failed."
            " See root cause above. Failed core proc(s): {'EngineCore': -9}\n\nAt:\n  x(5): y\n;\n",
            True,
        ),
        ("version 1 is at UNAVAILABLE state: Internal: RuntimeError: Failed core proc(s): {'EngineCore': 1};", False),
        ("version 1 is at UNAVAILABLE state: Internal: ValueError: no weights\n\nAt:\n  x(5): y\n;\n", False),
    ],
)
async def test_a_process_that_was_killed_may_load_another_time(reason: str, may_pass: bool) -> None:
    """One that has said why it can't load will say so again. Recorded with Triton 2.51 and vLLM 0.32."""
    with FakeTriton() as triton:
        triton.unloadable = {"bad": reason}
        client = TritonClient(triton.address, sessions=False)
        with pytest.raises(ModelControlFailed) as caught:
            await client.load_model("bad")
        assert caught.value.may_pass is may_pass
        await client.close()


async def test_a_triton_that_is_away_may_load_another_time() -> None:
    """Its silence says nothing of the model."""
    client = TritonClient("127.0.0.1:1", sessions=False)
    with pytest.raises(ModelControlFailed) as caught:
        await client.load_model("toy")
    assert caught.value.may_pass
    await client.close()


async def test_the_secret_goes_with_calls_that_concern_the_repository() -> None:
    """And with no other."""
    with FakeTriton() as triton:
        client = TritonClient(triton.address, sessions=False, repository_secret="s")
        await client.repository_index()
        await client.load_model("toy")
        await client.model_config("toy")
        assert triton.secrets == {"RepositoryIndex": "s", "RepositoryModelLoad": "s", "ModelConfig": None}
        await client.close()
