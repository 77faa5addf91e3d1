"""A client that asks Triton without a gateway, by gRPC, in the three ways there are.

    python -m benchmarks.triton_client ADDRESS WAY STREAMS REQUESTS

WAY: `official`, the tensors of NVIDIA's own vLLM backend; `direct` and `session`, the contract's two ways of travel. It
prints what native/load.c prints and hears the same signals; an "event" is a response of Triton's, in a session a record.
The time of a response is taken before it is read.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import orjson

from benchmarks.load import ENDLESS_TOKENS, PROMPT, SLOWLY
from benchmarks.system import MODEL
from benchmarks.triton_source import WORD
from gateway.triton.protocol import SERVICE, decode_bytes, encode_bytes, pb
from gateway.triton.records import KIND, RID
from gateway.triton.tensors import RECORDS, envelope_request, output_bytes

OFFICIAL, DIRECT, SESSION = WAYS = ("official", "direct", "session")
_OFFICIAL_TEXT = "text_output"


@dataclass
class Figures:
    """What has come, and when."""

    events: int = 0
    tokens: int = 0
    answers: int = 0
    firsts: list[float] = field(default_factory=list[float])
    gaps: list[float] = field(default_factory=list[float])
    wholes: list[float] = field(default_factory=list[float])
    begun: float = field(default_factory=time.perf_counter)

    def printed(self) -> str:
        first, gap, whole = map(_quantiles, (self.firsts, self.gaps, self.wholes))
        figures: dict[str, float] = {"answers": self.answers, "errors": 0, "events": self.events, "tokens": self.tokens}
        figures |= {"reads": self.events, "bytes": 0, "first_p50_ms": first[0], "first_p99_ms": first[1]}
        figures |= {"gap_p50_ms": gap[0], "gap_p99_ms": gap[1], "answer_p50_ms": whole[0], "answer_p99_ms": whole[1]}
        figures["gap_most_ms"] = max(self.gaps, default=0.0) * 1e3
        return json.dumps({**figures, "cpu_seconds": time.process_time(), "seconds": time.perf_counter() - self.begun})


@dataclass
class Stream:
    """One answer as it comes."""

    sent: float
    last: float = 0.0

    def took(self, figures: Figures, tokens: int, at: float) -> None:
        if not tokens:
            return
        figures.events += 1
        figures.tokens += tokens
        if self.last:
            figures.gaps.append(at - self.last)
        else:
            figures.firsts.append(at - self.sent)
        self.last = at


class Client:
    """Streams by one of the ways."""

    def __init__(self, address: str, way: str) -> None:
        self.figures = Figures()
        self.way = way
        self._channel: Any = grpc.aio.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
        self._infer: Any = self._channel.stream_stream(
            f"{SERVICE}ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )

    async def close(self) -> None:
        await self._channel.close(grace=None)

    async def one(self, prompt: str, tokens: int) -> None:
        """One answer on a call of its own."""
        request = official_request(prompt, tokens) if self.way == OFFICIAL else _generate(prompt, tokens, None)
        stream = Stream(time.perf_counter())
        async for message in self._infer(_each([request])):
            at = time.perf_counter()
            _check(message)
            stream.took(self.figures, self._tokens(message.infer_response), at)
        self.figures.answers += 1
        self.figures.wholes.append(time.perf_counter() - stream.sent)

    def _tokens(self, response: Any) -> int:
        if self.way == OFFICIAL:
            text = output_bytes(response, _OFFICIAL_TEXT)
            return 0 if text is None else decode_bytes(text).decode().count(WORD)
        records = output_bytes(response, RECORDS)
        return sum(_new_tokens(record) for record in orjson.loads(decode_bytes(records))) if records else 0

    async def shared(self, streams: int, prompt: str, tokens: int) -> None:
        """So many answers in one session."""
        sid = uuid.uuid4().hex
        opening = envelope_request(MODEL, {"op": "session", "rid": sid, "versions": [1]})
        requests = [_generate(prompt, tokens, sid) for _ in range(streams)]
        sent = time.perf_counter()
        known: dict[str, Stream] = {}
        async for message in self._infer(_endless([opening, *requests])):
            at = time.perf_counter()
            _check(message)
            for record in orjson.loads(
                decode_bytes(output_bytes(message.infer_response, RECORDS) or encode_bytes(b"[]"))
            ):
                if record[KIND] == "delta":
                    known.setdefault(record[RID], Stream(sent)).took(self.figures, _new_tokens(record), at)


def official_request(prompt: str, tokens: int) -> Any:
    """A streamed request as NVIDIA's clients make it."""
    request = pb.ModelInferRequest(model_name=MODEL, id=uuid.uuid4().hex)
    for name, kind, content in (
        ("text_input", "BYTES", encode_bytes(prompt.encode())),
        ("stream", "BOOL", b"\1"),
        ("exclude_input_in_output", "BOOL", b"\1"),
        ("sampling_parameters", "BYTES", encode_bytes(json.dumps({"max_tokens": tokens}).encode())),
    ):
        request.inputs.add(name=name, datatype=kind, shape=[1])
        request.raw_input_contents.append(content)
    return request


def _generate(prompt: str, tokens: int, session: str | None) -> Any:
    body = {"max_tokens": tokens, "stream": True}
    envelope = {"op": "generate", "rid": uuid.uuid4().hex, "api": "completions", "body": body, "prompt": prompt}
    return envelope_request(MODEL, envelope | ({} if session is None else {"session": session}))


def _new_tokens(record: list[Any]) -> int:
    return record[4] if record[KIND] == "delta" else 0


def _check(message: Any) -> None:
    if message.error_message:
        raise RuntimeError(message.error_message)


async def _each(requests: Sequence[Any]) -> AsyncGenerator[Any, None]:
    for request in requests:
        yield request


async def _endless(requests: Sequence[Any]) -> AsyncGenerator[Any, None]:
    """These, and then nothing, without an end."""
    for request in requests:
        yield request
    await asyncio.Event().wait()


def _quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    if not seconds:
        return 0.0, 0.0
    ordered = sorted(seconds)
    return ordered[(len(ordered) - 1) // 2] * 1e3, ordered[int((len(ordered) - 1) * 0.99)] * 1e3


async def _hold(client: Client, streams: int) -> None:
    """Streams without an end, until SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(client, "figures", Figures()))
    if client.way == SESSION:
        asking = [asyncio.create_task(client.shared(streams, SLOWLY, ENDLESS_TOKENS))]
    else:
        asking = [asyncio.create_task(client.one(SLOWLY, ENDLESS_TOKENS)) for _ in range(streams)]
    while len(client.figures.firsts) < streams:
        await asyncio.sleep(0.02)
        for task in asking:
            if task.done():
                task.result()
    os.write(1, b"open\n")
    await told.wait()
    os.write(1, client.figures.printed().encode())
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def _ask(client: Client, requests: int) -> None:
    """So many answers of one token, one after the other."""
    for _ in range(requests):
        await client.one(PROMPT, 1)


async def _main(address: str, way: str, streams: int, requests: int) -> None:
    client = Client(address, way)
    if not requests:
        await _hold(client, streams)
    else:
        await asyncio.gather(*(_ask(client, requests // streams) for _ in range(streams)))
        os.write(1, client.figures.printed().encode())
    await client.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
