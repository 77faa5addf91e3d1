"""A Triton at the wire: a real gRPC server that plays a script. The client, the tensors and cancellation are the real ones.

    with FakeTriton() as triton:            # toy models, which answer "Hello world."
        triton.script = lambda call: ...    # what the generating model says from now on

A script is called once per generation and yields lists of records, each list one message; `call.cancelled` is set when the
gateway cancels (or the call ends otherwise). To fail, it raises `Abort(status)` (the call breaks) or yields
`StreamError(text)` (a line of text). `before_pooling` is called with each request for rows, and may wait or raise `Abort`.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from gateway.triton.client import REPOSITORY_SECRET_HEADER
from tests.fakes.tokenizer import CHAT_TEMPLATE, EOS, SPECIAL_TOKENS, toy_tokenizer
from tests.fakes.triton_session import FakeSession

CHAT_MODEL = "toy-chat"
EMBEDDING_MODEL = "toy-embedding"
MODERATION_MODEL = "toy-moderation"
POOLING_MODELS = {"toy-embedder": ("embed", "score"), "toy-reranker": ("classify", "score")}
"""On vllm_custom, with what they can; served by a Triton that has them in `ready`."""
CONTEXT_LENGTH = 128
EMBEDDING_LIMIT = 32
PART_BYTES = 1000  # small, so that every file comes in several parts


class Abort(Exception):
    """The call fails with this status, as when Triton dies (UNAVAILABLE)."""

    def __init__(self, status: grpc.StatusCode) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class StreamError:
    """An error of Triton's own within a stream: a line of text."""

    text: str
    rid: str = ""


@dataclass
class Call:
    """One generation as it arrived."""

    rid: str
    envelope: dict[str, Any]
    token_ids: list[int]
    media: list[bytes] = field(default_factory=list[bytes])
    envelope_text: str = ""  # in which numbers stand as they were written
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> dict[str, Any]:
        return self.envelope["body"]

    def accepted(self) -> list[Any]:
        return [self.rid, "accepted", None, {"prompt_tokens": len(self.token_ids)}]

    def delta(self, text: str, choice: int = 0, logprobs: Any = None) -> list[Any]:
        return [self.rid, "delta", choice, text, 1, None if logprobs is None else {"logprobs": logprobs}]

    def end(
        self, reason: str = "stop", choice: int = 0, completion_tokens: int | None = 2, stop: Any = None
    ) -> list[Any]:
        """`completion_tokens` None: not the last choice."""
        usage = None
        if completion_tokens is not None:
            prompt = len(self.token_ids)
            usage = {"prompt_tokens": prompt, "completion_tokens": completion_tokens, "cached_tokens": 0}
        return [self.rid, "end", choice, reason, stop, usage]

    def error(self, kind: str, message: str = "internal detail", code: Any = None, param: Any = None) -> list[Any]:
        return [self.rid, "error", None, kind, code, param, message]


def call_of(envelope: dict[str, Any], tensors: dict[str, bytes]) -> Call:
    """A `generate` out of its envelope and its raw tensors."""
    ids = np.frombuffer(tensors.get("token_ids", b""), np.int32).tolist()
    media, left = list[bytes](), tensors.get("media", b"")
    while left:
        size = int.from_bytes(left[:4], "little")
        media.append(left[4 : 4 + size])
        left = left[4 + size :]
    return Call(envelope["rid"], envelope, ids, media, tensors["request"][4:].decode())


Message = list[list[Any]] | StreamError
Script = Callable[[Call], Iterator[Message]]


def hello(call: Call) -> Iterator[Message]:
    """The answer "Hello world." to everything, in as many choices as were asked for."""
    n = call.body.get("n", 1)
    yield [call.accepted()]
    for text in ("Hello", " world."):
        yield [call.delta(text, choice) for choice in range(n)]
    yield [call.end(choice=choice, completion_tokens=2 * n if choice == n - 1 else None) for choice in range(n)]


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves the toy models until its `with` block ends. `calls` lists the generations that arrived."""

    def __init__(
        self,
        port: int = 0,
        files: dict[str, dict[str, bytes]] | None = None,
        travel: tuple[str, ...] = ("direct", "session"),
    ) -> None:
        self.travel = travel
        self.sessions: list[FakeSession] = []
        self._new_sessions: queue.SimpleQueue[FakeSession] = queue.SimpleQueue()
        self.script: Script = hello
        self.calls: list[Call] = []
        self._arrivals: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self.finished: Counter[str] = Counter()  # unary inferences since the model was loaded
        self.counts = True  # whether it has statistics
        self.inferred: list[tuple[str, tuple[int, ...]]] = []  # model and shape of every unary inference
        self.pooled: list[dict[str, Any]] = []  # the envelope of every request for vectors, classes or scores
        self.before_pooling: Callable[[dict[str, Any], Any], None] = lambda envelope, context: None
        self.infer_error: Abort | None = None
        self.ready = [CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, "assets", "stranger"]
        self.secrets: dict[str, str | None] = {}  # what came in the header of the secret, by call
        self.unloadable: dict[str, str] = {}  # models that fail to load, and Triton's reasons
        self.unready: list[tuple[str, str, str]] = []  # name, state and reason of models that take no requests
        self.tasks: dict[str, str] = {}  # other `openai_task`s than the toy models have
        self.files = files or toy_files()
        self.described = 0
        self.description: dict[str, Any] = {}  # what the chat model says of itself besides
        self.names: dict[str, list[str]] = {}  # by model: the further names that it brings
        self.tool_parser: str | None = "hermes"
        self.loras: list[str] | None = None  # null: the model takes no adapters
        self._server = grpc.server(ThreadPoolExecutor(max_workers=64))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> FakeTriton:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Die: every open call breaks."""
        self._server.stop(grace=None).wait()

    def next_call(self, timeout_s: float = 5) -> Call:
        """The next generation to arrive, or the first that nobody has waited for yet."""
        return self._arrivals.get(timeout=timeout_s)

    def next_session(self, timeout_s: float = 5) -> FakeSession:
        """The next session to be opened, or the first that nobody has waited for yet."""
        return self._new_sessions.get(timeout=timeout_s)

    def reset(self) -> None:
        """Friendly again, with nothing noted."""
        self.script = hello
        self.infer_error = None
        self.before_pooling = lambda envelope, context: None
        self.loras = None
        self.calls.clear()
        self.inferred.clear()
        self.pooled.clear()
        self._arrivals = queue.SimpleQueue()

    def _note_secret(self, call: str, context: Any) -> None:
        self.secrets[call] = dict(context.invocation_metadata()).get(REPOSITORY_SECRET_HEADER)

    # The service

    def RepositoryIndex(self, request: Any, context: Any) -> Any:
        self._note_secret("RepositoryIndex", context)
        index = service_pb2.RepositoryIndexResponse()
        for name in self.ready:
            index.models.add(name=name, version="1", state="READY")
        for name, state, reason in self.unready:
            index.models.add(name=name, version="1" if state else "", state=state, reason=reason)
        return index

    def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        self._note_secret("RepositoryModelLoad", context)
        if (reason := self.unloadable.get(request.model_name)) is not None:
            text = f"load failed for model '{request.model_name}': {reason}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        self.finished[request.model_name] = 0
        self.ready = [*(name for name in self.ready if name != request.model_name), request.model_name]
        return service_pb2.RepositoryModelLoadResponse()

    def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        self.ready = [name for name in self.ready if name != request.model_name]
        return service_pb2.RepositoryModelUnloadResponse()

    def ModelConfig(self, request: Any, context: Any) -> Any:
        self._note_secret("ModelConfig", context)
        config = _config(request.name)
        if request.name in self.tasks:
            config.parameters["openai_task"].string_value = self.tasks[request.name]
        return service_pb2.ModelConfigResponse(config=config)

    def ModelStatistics(self, request: Any, context: Any) -> Any:
        if not self.counts:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "statistics are not enabled")
        answer = service_pb2.ModelStatisticsResponse()
        for name in self.ready:
            answer.model_stats.add(name=name, version="1").inference_stats.success.count = self.finished[name]
        return answer

    def ModelInfer(self, request: Any, context: Any) -> Any:
        if self.infer_error is not None:
            context.abort(self.infer_error.status, "internal detail")
        self.finished[request.model_name] += 1
        shape = tuple(request.inputs[0].shape)
        self.inferred.append((request.model_name, shape))
        ids = np.frombuffer(request.raw_input_contents[0], np.int64).reshape(shape)
        mask = np.frombuffer(request.raw_input_contents[1], np.int64).reshape(shape)
        rows = toy_rows(request.model_name, ids, mask)
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        response.outputs.add(name="OUTPUT__0", datatype="FP32", shape=rows.shape)
        response.raw_output_contents.append(rows.tobytes())
        return response

    def ModelStreamInfer(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        request = next(request_iterator)
        tensors = dict(zip((i.name for i in request.inputs), request.raw_input_contents, strict=True))
        envelope = json.loads(tensors["request"][4:])
        if envelope["op"] == "describe":
            yield from self._describe(request.model_name, envelope)
            return
        if request.model_name in POOLING_MODELS:
            self.pooled.append(envelope)
            try:
                self.before_pooling(envelope, context)
            except Abort as abort:
                context.abort(abort.status, "internal detail")
            yield toy_pool(request.model_name, envelope, np.frombuffer(tensors.get("token_ids", b""), np.int32))
            return
        if envelope["op"] == "session":
            session = FakeSession(envelope["rid"], play=self._play)
            self.sessions.append(session)
            self._new_sessions.put(session)
            for message in session.responses(request_iterator, context):
                yield _any_message(request.model_name, message)
            return
        call = call_of(envelope, tensors)
        context.add_callback(call.cancelled.set)
        try:
            for message in self._play(call):
                yield _any_message(request.model_name, message)
        except Abort as abort:
            context.abort(abort.status, "internal detail")

    def _play(self, call: Call) -> Iterator[Message]:
        self.calls.append(call)
        self._arrivals.put(call)
        for message in self.script(call):
            if isinstance(message, StreamError):
                message.rid = call.rid
            yield message

    def _describe(self, asked: str, envelope: dict[str, Any]) -> Iterator[Any]:
        self.described += 1
        if asked == "assets" and asked not in self.ready:
            text = f"Request for unknown model: '{asked}' is not found"
            yield service_pb2.ModelStreamInferResponse(error_message=text)
            return
        rid = envelope["rid"]
        if (about := envelope.get("model", asked)) not in self.files:
            yield _message(asked, [[rid, "error", None, "not_found", None, "model", f"there is no folder {about!r}"]])
            return
        files = self.files[about]
        for name in envelope.get("files", ()):
            for offset in range(0, len(files[name]), PART_BYTES):
                part = files[name][offset : offset + PART_BYTES]
                yield _message(asked, [[rid, "part", None, name, offset, len(files[name])]], part)
        listed = [{"name": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in files.items()]
        description = {
            "model": asked,
            "context_length": CONTEXT_LENGTH,
            "files": listed,
            "tool_parser": self.tool_parser,
            "loras": self.loras,
            "travel": self.travel,
            "names": self.names.get(asked, []),
        }
        if asked == CHAT_MODEL and "model" not in envelope:
            description |= self.description
        if asked in POOLING_MODELS:
            description["tasks"] = POOLING_MODELS[asked]
        yield _message(asked, [[rid, "result", None, description]])


def toy_rows(model: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the toy PyTorch models compute: sum and count of the ids, or whether id 7 is among them."""
    if model == EMBEDDING_MODEL:
        return np.stack([(ids * mask).sum(1), mask.sum(1)], axis=1).astype(np.float32)
    return ((ids == 7) & (mask == 1)).any(axis=1, keepdims=True).astype(np.float32) * 0.9


def toy_pool(model: str, envelope: dict[str, Any], token_ids: np.ndarray) -> Any:
    """What the toy pooling models answer: sum and count of the ids, whether id 7 is among them, how long a document is."""
    rid = envelope["rid"]
    if envelope["op"] == "score":
        rows = np.array([[len(document)] for document in envelope["documents"]], np.float32)
        return _message(model, [[rid, "result", None, {"shape": list(rows.shape), "prompt_tokens": 5}]], vectors=rows)
    inputs = np.split(token_ids, np.cumsum(envelope["lengths"])[:-1])
    if envelope["op"] == "classify":
        rows = np.array([[0.75, 0.25] if 7 in row else [0.25, 0.75] for row in inputs], np.float32)
    else:
        rows = np.array([[row.sum(), len(row)] for row in inputs], np.float32)
    if (width := envelope.get("dimensions")) is not None:
        if width > 2:
            return _message(model, [[rid, "error", None, "bad_request", None, "dimensions", "at most 2 dimensions"]])
        rows = np.ascontiguousarray(rows[:, :width])
    result = {"shape": list(rows.shape), "prompt_tokens": int(token_ids.size)}
    return _message(model, [[rid, "result", None, result]], vectors=rows)


def _any_message(model: str, message: Message | bytes) -> Any:
    if isinstance(message, StreamError):
        response = service_pb2.ModelStreamInferResponse(error_message=message.text)
        response.infer_response.id = message.rid
        return response
    return _message(model, message)


def _message(
    model: str, records: list[list[Any]] | bytes, part: bytes | None = None, vectors: np.ndarray | None = None
) -> Any:
    response = service_pb2.ModelInferResponse(model_name=model)
    raw = records if isinstance(records, bytes) else json.dumps(records).encode()
    contents = {"records": raw} | ({} if part is None else {"part": part})
    for name, content in contents.items():
        response.outputs.add(name=name, datatype="BYTES", shape=[1])
        response.raw_output_contents.append(len(content).to_bytes(4, "little") + content)
    if vectors is not None:
        response.outputs.add(name="vectors", datatype="FP32", shape=vectors.shape)
        response.raw_output_contents.append(vectors.tobytes())
    response.parameters["triton_final_response"].bool_param = _is_terminal(records)
    return service_pb2.ModelStreamInferResponse(infer_response=response)


def _is_terminal(records: list[list[Any]]) -> bool:
    """Whether these are the last records of a request: the backend sends them with Triton's final flag."""
    last: list[Any] = records[-1] if records and isinstance(records[-1], list) else []
    kind = last[1] if len(last) > 1 else None
    return kind in ("result", "error") or (kind == "end" and len(last) > 5 and last[5] is not None)


def _config(name: str) -> Any:
    config = model_config_pb2.ModelConfig(name=name)
    parameters = {
        EMBEDDING_MODEL: {"openai_task": "embedding", "max_tokens": str(EMBEDDING_LIMIT)},
        MODERATION_MODEL: {"openai_task": "moderation", "max_tokens": str(EMBEDDING_LIMIT)},
        "assets": {"openai_task": "assets"},
    }.get(name, {})
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    if name in (EMBEDDING_MODEL, MODERATION_MODEL):
        config.max_batch_size = 4
    if name in (CHAT_MODEL, "assets", *POOLING_MODELS):
        config.input.add(name="request", data_type=model_config_pb2.TYPE_STRING, dims=[1])
    return config


def toy_files() -> dict[str, dict[str, bytes]]:
    tokenizer = toy_tokenizer().to_str().encode()
    config = json.dumps({"chat_template": CHAT_TEMPLATE, **SPECIAL_TOKENS, "eos_token": {"content": EOS}}).encode()
    labels = json.dumps({"labels": ["rude"], "categories": {"rude": "harassment"}, "threshold": 0.5}).encode()
    classes = json.dumps({"id2label": {"0": "yes", "1": "no"}}).encode()
    return {
        **{name: {"tokenizer.json": tokenizer, "config.json": classes} for name in POOLING_MODELS},
        CHAT_MODEL: {"tokenizer.json": tokenizer, "tokenizer_config.json": config},
        EMBEDDING_MODEL: {"tokenizer.json": tokenizer},
        MODERATION_MODEL: {"tokenizer.json": tokenizer, "labels.json": labels},
    }
