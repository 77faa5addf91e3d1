"""Both ways of travel on the real Triton, with the replay engine in the place of vLLM."""

from __future__ import annotations

import asyncio
import signal
import time
from array import array
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import psutil
import pytest

from benchmarks.system import MODEL, System, system
from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.stream import ChatFold
from gateway.errors import BadRequest, GatewayError, InternalError, Unavailable
from gateway.generation import GenerationOutput, GenerationRequest
from gateway.ids import new_id
from gateway.triton.client import TritonClient
from gateway.triton.generate import generate
from gateway.triton.protocol import SERVICE, pb
from gateway.triton.records import read_records
from gateway.triton.sessions import Sessions
from gateway.triton.tensors import envelope_request
from tests.fakes.reader import pulled

pytestmark = pytest.mark.anyio

SOON_S = 30.0
SCRIPT = [
    {"prompt": "refuse", "refuse": {"type": "bad_request", "message": "no", "param": "temperature"}},
    {
        "prompt": "break",
        "text": "one two three four five six",
        "fail": {"type": "internal", "message": "broken"},
        "fail_at": 3,
    },
    {"prompt": "long", "text": "word " * 4000, "step_seconds": 0.01},
    {"text": ["It counts: one two three. 🎉 né", "And another answer, of another length."], "step_seconds": 0.001},
]
BODIES: Sequence[dict[str, Any]] = (
    {},
    {"n": 2},
    {"max_tokens": 3},
    {"stop": ["two"]},
    {"logprobs": True, "top_logprobs": 3, "n": 2},
    {"seed": 1},
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[System, None, None]:
    with system(SCRIPT, folder=tmp_path_factory.mktemp("travel")) as started:
        yield started


@pytest.fixture
async def direct(running: System) -> AsyncGenerator[TritonClient, None]:
    client = TritonClient(f"127.0.0.1:{running.grpc_port}", sessions=False)
    yield client
    await client.close()


@pytest.fixture
async def by_session(running: System) -> AsyncGenerator[TritonClient, None]:
    client = TritonClient(f"127.0.0.1:{running.grpc_port}")
    client.sessions.offer(MODEL, offered=True)
    yield client
    await client.close()


def request(*, stream: bool = True, prompt: Sequence[int] = (504, 216), **body: Any) -> GenerationRequest:
    return GenerationRequest(new_id(), MODEL, "chat", array("i", prompt), {"stream": stream, **body})


def tokens_of(running: System, text: str) -> list[int]:
    from tokenizers import Tokenizer

    root = Path(__file__).resolve().parents[2]
    return Tokenizer.from_file(str(root / ".cache/models/smollm2-135m-instruct/tokenizer.json")).encode(text).ids


async def outputs_of(client: TritonClient, asked: GenerationRequest) -> list[GenerationOutput]:
    async with aclosing(pulled(partial(generate, client, asked, stall_timeout_s=SOON_S))) as batches:
        return [output async for batch in batches for output in batch]


async def answer_of(client: TritonClient, asked: GenerationRequest) -> str:
    """The whole body of a chat answer."""
    fold = ChatFold(AnswerPlan("chatcmpl-1", 1, MODEL, choices=asked.sampling_params.get("n", 1)))
    fold.feed(await outputs_of(client, asked))
    return fold.finish().model_dump_json()


async def stats_of(client: TritonClient) -> dict[str, Any]:
    stream = client.stream(envelope_request(MODEL, {"op": "stats", "rid": new_id()}), stall_timeout_s=SOON_S)
    async with aclosing(stream) as responses:
        async for response in responses:
            for record in read_records(response):
                return record[3]
    raise AssertionError("no answer to stats")


async def until_idle(client: TritonClient) -> None:
    deadline = time.monotonic() + SOON_S
    while (await stats_of(client))["unfinished"]:
        assert time.monotonic() < deadline, "the engine still works"


@pytest.mark.parametrize("stream", [True, False])
async def test_both_ways_give_the_same_bytes(direct: TritonClient, by_session: TritonClient, stream: bool) -> None:
    """The same requests, many at a time, one after the other through each way: the same bodies."""
    for body in BODIES:
        alone = await asyncio.gather(*(answer_of(direct, request(stream=stream, **body)) for _ in range(8)))
        together = await asyncio.gather(*(answer_of(by_session, request(stream=stream, **body)) for _ in range(8)))
        assert set(alone) == set(together)
        assert len(set(alone)) == 1


async def test_both_ways_fail_alike(running: System, direct: TritonClient, by_session: TritonClient) -> None:
    """What the engine refuses, and what breaks in the middle of an answer."""
    for client in (direct, by_session):
        with pytest.raises(BadRequest) as refused:
            await outputs_of(client, request(prompt=tokens_of(running, "refuse")))
        assert refused.value.param == "temperature"
        with pytest.raises(InternalError):
            await outputs_of(client, request(prompt=tokens_of(running, "break")))


async def test_many_requests_come_in_few_messages(running: System, by_session: TritonClient) -> None:
    """What a session is for."""
    prompt = tokens_of(running, "long")
    answers = await asyncio.gather(*(outputs_of(by_session, request(prompt=prompt, max_tokens=100)) for _ in range(64)))
    assert all(answer[-1].usage.completion_tokens == 100 for answer in answers)  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    session = by_session.sessions.get(MODEL)
    assert session is not None
    assert session.frames < 64 * 100 / 4


async def test_leaving_aborts_in_the_engine(running: System, direct: TritonClient, by_session: TritonClient) -> None:
    """By name, on the session, which goes on to serve."""
    async with aclosing(
        pulled(partial(generate, by_session, request(prompt=tokens_of(running, "long")), stall_timeout_s=SOON_S))
    ) as batches:
        await anext(batches)
    await until_idle(direct)
    await answer_of(by_session, request())


async def test_call_that_ends_aborts_everything(running: System, direct: TritonClient) -> None:
    """A gateway that is gone without a word: the engine stops for all its requests."""
    client = TritonClient(f"127.0.0.1:{running.grpc_port}")
    async with grpc.aio.insecure_channel(client.address) as channel:
        infer: Any = channel.stream_stream(
            SERVICE + "ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        calls: list[Any] = []

        def open_stream(requests: Any) -> Any:
            calls.append(infer(requests))
            return calls[-1]

        client.sessions = Sessions(open_stream, allowed=True, max_age_s=3600)
        client.sessions.offer(MODEL, offered=True)
        tasks = [asyncio.create_task(outputs_of(client, request(prompt=tokens_of(running, "long")))) for _ in range(16)]
        while (await stats_of(direct))["unfinished"] < 16:
            pass
        [call] = calls
        call.cancel()
        assert {type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)} == {Unavailable}
        await until_idle(direct)
        await client.close()


class Nobody:
    """A consumer of records that are none of its business."""

    choices = 1
    error: GatewayError | None = None
    is_complete = False

    def take(self, records: list[list[Any]]) -> None:
        """Drop them."""

    def take_text(self, choice: int, text: str, token_count: int) -> None:
        """Drop it."""


async def test_request_that_triton_refuses_fails_alone(direct: TritonClient, by_session: TritonClient) -> None:
    """A line of Triton's own text on the shared call costs the one request its answer, and nobody else."""
    await answer_of(by_session, request())
    session = by_session.sessions.get(MODEL)
    assert session is not None
    malformed = envelope_request(MODEL, {"op": "stats", "rid": "x"})
    malformed.inputs[0].datatype = "FP32"
    box = session.post("x", malformed, Nobody())
    with pytest.raises(GatewayError):
        await asyncio.wait_for(box.until_end(), SOON_S)
    session.leave(box, ended=True)
    await answer_of(by_session, request())
    assert by_session.sessions.get(MODEL) is session


async def test_killed_gateway_leaves_nothing_running(running: System, direct: TritonClient) -> None:
    """SIGKILL: no close, no abort; the poller of the backend finds the call ended."""

    async def stream() -> None:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "long"}]}
        async with (
            httpx.AsyncClient(timeout=SOON_S) as http,
            http.stream("POST", f"http://127.0.0.1:{running.port}/v1/chat/completions", json=body) as response,
        ):
            async for _ in response.aiter_bytes():
                pass

    tasks = [asyncio.create_task(stream()) for _ in range(8)]
    while (await stats_of(direct))["unfinished"] < 8:
        assert not any(task.done() for task in tasks)
    running.gateway.send_signal(signal.SIGKILL)
    await asyncio.gather(*tasks, return_exceptions=True)
    await until_idle(direct)


async def test_killed_triton_ends_every_request(running: System) -> None:
    """Last, because it breaks the system: each request ends with an error, soon."""
    client = TritonClient(f"127.0.0.1:{running.grpc_port}")
    client.sessions.offer(MODEL, offered=True)
    tasks = [asyncio.create_task(outputs_of(client, request(prompt=tokens_of(running, "long")))) for _ in range(8)]
    await asyncio.sleep(0.5)
    stubs = running.triton.children()
    running.triton.kill()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SOON_S)
    assert {type(result) for result in results} == {Unavailable}
    await client.close()
    for stub in psutil.wait_procs(stubs, timeout=10)[1]:
        stub.kill()
