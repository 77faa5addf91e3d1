"""What stands behind the gateway in place of Triton: the contract's wire, by the word " sea", with next to no work a token.

    python -m benchmarks.triton_source PORT FOLDER [MODEL …]      FOLDER: of a tokenizer

The peer of native/sse_source.c, with the same lines on its input that set the pace: "MICROSECONDS STREAMS". It serves two
models: `bench` travels by session, one response a step with a record for each stream, as the backend sends them;
`bench-direct` travels directly, one token a response. What is the same in every step is made once, so that a frame of 128
tokens takes no more of this process than a token would.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import orjson
from tritonclient.grpc import model_config_pb2 as _model_config_pb2  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.system import MANY_TOKENS
from gateway.triton.protocol import decode_bytes, encode_bytes, pb
from gateway.triton.tensors import CONTRACT_VERSION, FINAL_RESPONSE, PART, RECORDS, REQUEST, TOKEN_IDS

model_config_pb2: Any = _model_config_pb2

MODEL = "bench"
DIRECT_MODEL = "bench-direct"
WORD = " sea"

_SERVICE = "inference.GRPCInferenceService"
_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_PART_BYTES = 1024 * 1024
_HEARTBEAT_S = 5.0


class Pace:
    """The steps of the engine that is played: everybody waits for the same next one."""

    def __init__(self) -> None:
        self.streams = 0
        self._period_s = 0.0
        self._due = 0.0
        self._step: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, line: str) -> None:
        microseconds, streams = line.split()
        self._period_s, self.streams = int(microseconds) / 1e6, int(streams)
        self._due = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    async def step(self) -> None:
        if not self._period_s:
            await asyncio.sleep(0)
            return
        if self._step is None:
            loop = asyncio.get_running_loop()
            self._step = loop.create_future()
            now = loop.time()
            # From the last step on and not from now: the work of a step must not slow the rhythm down.
            self._due = self._due + self._period_s if self._due > now - self._period_s else now + self._period_s
            self._timer = loop.call_at(self._due, self._end)
        # Shielded, because a stream that is cancelled while it waits must not cancel the step of all the others.
        await asyncio.shield(self._step)

    def _end(self) -> None:
        step, self._step, self._timer = self._step, None, None
        if step is not None and not step.done():
            step.set_result(None)


@dataclass(eq=False)
class Line:
    """One generation: its records as they are sent, and how many tokens are left."""

    rid: str
    prompt_tokens: int
    tokens: int
    streams: bool
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.tokens if self.streams else 1
        text, count = (WORD, 1) if self.streams else (WORD * self.tokens, self.tokens)
        self.accepted = _json([self.rid, "accepted", None, {"prompt_tokens": self.prompt_tokens}])
        self.delta = _json([self.rid, "delta", 0, text, count, None])
        usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.tokens, "cached_tokens": 0}
        self.end = _json([self.rid, "end", 0, "length", None, usage])


class Session:
    """The backend's side of one session. What comes while a response is being sent goes out with the next."""

    def __init__(self, sid: str, context: Any, pace: Pace) -> None:
        self._sid = sid
        self._context = context
        self._pace = pace
        self._seq = 0
        self._lines: list[Line] = []
        self._turn = 0
        self._waiting = [_json([sid, "session", None, {"version": 1}])]
        self._said = asyncio.Event()
        self._said.set()
        self._sent = asyncio.Event()
        self._work = asyncio.Event()

    async def run(self, requests: AsyncIterator[Any]) -> None:
        parts = [asyncio.create_task(part) for part in (self._read(requests), self._write(), self._play())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
        for ended in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            envelope, tensors = _read_request(request)
            if envelope["op"] == "generate":
                line = _line(envelope, tensors)
                self._lines.append(line)
                self._say(line.accepted)
                self._work.set()
            elif envelope["op"] == "abort":
                self._lines = [line for line in self._lines if line.rid != envelope["target"]]
            elif envelope["op"] == "close":
                self._say(_json([self._sid, "result", None, {"closed": True}]))

    def _say(self, *records: str) -> None:
        self._waiting.extend(records)
        self._said.set()

    async def _play(self) -> None:
        while True:
            if not self._lines:
                self._work.clear()
                await self._work.wait()
            await self._pace.step()
            self._sent.clear()
            self._say(*self._next_records())
            await self._sent.wait()

    def _next_records(self) -> list[str]:
        count = min(self._pace.streams or len(self._lines), len(self._lines))
        chosen = [self._lines[(self._turn + i) % len(self._lines)] for i in range(count)]
        self._turn = (self._turn + count) % max(1, len(self._lines))
        records = [line.delta for line in chosen]
        ended: list[Line] = []
        for line in chosen:
            line.left -= 1
            if line.left == 0:
                records.append(line.end)
                ended.append(line)
        if ended:
            self._lines = [line for line in self._lines if line.left]
        return records

    async def _write(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    await self._said.wait()
            except TimeoutError:
                pass  # nothing to say: an empty frame
            self._said.clear()
            records, self._waiting = self._waiting, []
            frame = f'[["{self._sid}","frame",null,{self._seq}]'
            self._seq += 1
            await self._context.write(_response(MODEL, f"{','.join([frame, *records])}]".encode()))
            self._sent.set()


class TritonSource:
    """The methods of Triton's gRPC service that the gateway uses."""

    def __init__(self, folder: Path, pace: Pace, models: Sequence[str]) -> None:
        self._pace = pace
        self._models = models
        self._files = {name: (folder / name).read_bytes() for name in _FILES}

    def handler(self) -> Any:
        def unary(method: Any, request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(method, request.FromString, _serialize)

        stream = grpc.stream_stream_rpc_method_handler(self._stream, pb.ModelInferRequest.FromString, bytes)
        methods = {
            "RepositoryIndex": unary(self._index, pb.RepositoryIndexRequest),
            "ModelConfig": unary(self._config, pb.ModelConfigRequest),
            "ModelStreamInfer": stream,
        }
        return grpc.method_handlers_generic_handler(_SERVICE, methods)

    async def _index(self, _request: Any, _context: Any) -> Any:
        index = pb.RepositoryIndexResponse()
        for name in self._models:
            index.models.add(name=name, version="1", state="READY")
        return index

    async def _config(self, request: Any, _context: Any) -> Any:
        config = model_config_pb2.ModelConfig(name=request.name, backend="vllm_custom")
        config.input.add(name=REQUEST, data_type=model_config_pb2.TYPE_STRING, dims=[1])
        return pb.ModelConfigResponse(config=config)

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> None:
        request = await anext(requests)
        envelope, tensors = _read_request(request)
        if envelope["op"] == "session":
            await Session(envelope["rid"], context, self._pace).run(requests)
        elif envelope["op"] == "describe":
            await self._describe(request.model_name, envelope, context)
        else:
            await self._generate(request.model_name, _line(envelope, tensors), context)

    async def _describe(self, model: str, envelope: dict[str, Any], context: Any) -> None:
        rid = envelope["rid"]
        for name in envelope.get("files", ()):
            content = self._files[name]
            for offset in range(0, len(content), _PART_BYTES):
                records = _json([[rid, "part", None, name, offset, len(content)]])
                await context.write(_response(model, records.encode(), part=content[offset : offset + _PART_BYTES]))
        files = [
            {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in self._files.items()
        ]
        description = {
            "backend": "vllm_custom",
            "contract": [CONTRACT_VERSION],
            "engine": "replay",
            "model": model,
            "tasks": ["generate"],
            "context_length": MANY_TOKENS,
            "renderer": "gateway",
            "travel": ["direct", "session"] if model == MODEL else ["direct"],
            "files": files,
        }
        records = _json([[rid, "result", None, description]])
        await context.write(_response(model, records.encode(), final=True))

    async def _generate(self, model: str, line: Line, context: Any) -> None:
        await context.write(_response(model, f"[{line.accepted}]".encode()))
        delta = _response(model, f"[{line.delta}]".encode())
        for _ in range(line.left - 1):
            await self._pace.step()
            await context.write(delta)
        await self._pace.step()
        await context.write(_response(model, f"[{line.delta},{line.end}]".encode(), final=True))


def _read_request(request: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    tensors = dict(zip((each.name for each in request.inputs), request.raw_input_contents, strict=True))
    return orjson.loads(decode_bytes(tensors[REQUEST])), tensors


def _line(envelope: dict[str, Any], tensors: dict[str, bytes]) -> Line:
    body = envelope["body"]
    tokens = body.get("max_completion_tokens") or body["max_tokens"]
    return Line(envelope["rid"], len(tensors[TOKEN_IDS]) // 4, tokens, bool(body.get("stream")))


def _response(model: str, records: bytes, *, part: bytes | None = None, final: bool = False) -> bytes:
    response = pb.ModelInferResponse(model_name=model, model_version="1")
    for name, content in ((RECORDS, records), (PART, part)):
        if content is not None:
            response.outputs.add(name=name, datatype="BYTES", shape=[1])
            response.raw_output_contents.append(encode_bytes(content))
    if final:
        response.parameters[FINAL_RESPONSE].bool_param = True
    return pb.ModelStreamInferResponse(infer_response=response).SerializeToString()


def _serialize(message: Any) -> bytes:
    return message.SerializeToString()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _take_pace(pace: Pace) -> None:
    """Follow the lines on the input until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        pace.set(line.decode())
        os.write(1, b"ok\n")


async def _serve(port: int, folder: Path, models: Sequence[str]) -> None:
    pace = Pace()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((TritonSource(folder, pace, models).handler(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await _take_pace(pace)
    await server.stop(grace=None)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or (MODEL, DIRECT_MODEL)))
