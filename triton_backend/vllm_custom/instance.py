"""One model instance: requests in, records out, and the order of starting and stopping."""

from __future__ import annotations

import gc
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from . import response, tensors
from .active import Active
from .cancellation import Poller
from .errors import Unavailable, translate
from .files import Files
from .generation import Generation, OpenAnswer, native_answer
from .inquiry import Inquiry
from .interface import Engine, Facts
from .lifecycle import Event, Life, Record, State
from .official.desk import Desk
from .official.embedding import Embedder, Embedding
from .official.reply import Reply
from .official.request import OfficialEmbed
from .official.tensors import is_official
from .pooling import Lora, Pool
from .request import VERSION, Abort, Describe, Generate, Request, Stats, decode, parse, rid_of
from .sender import Channel, Outbox, Send

logger = logging.getLogger(__name__)

ENGINE_STOP_TIMEOUT = 5.0
SENDER_STOP_TIMEOUT = 2.0


class Instance:
    """`start`, then `handle` for every request from one thread, then `stop`."""

    def __init__(self, model: str, engine: Engine, *, desk: Desk | None = None, send: Send = tensors.send) -> None:
        self._model = model
        self._desk = desk or Desk(model)
        self._engine = engine
        self._active = Active()
        self._outbox = Outbox(send)
        self._poller = Poller(self._active.snapshot)
        self._accepting = False
        self._facts: Facts | None = None
        self._files = Files(None, ())
        self._operations: Mapping[type[Request], Callable[[Any, Life, Channel], None]] = {
            Describe: self._describe,
            Generate: self._generate,
            Abort: self._abort,
            Stats: self._stats,
            Pool: self._ask,
            Lora: self._ask,
        }

    def start(self) -> None:
        """Blocks until the engine can serve. When it raises, nothing is left behind."""
        try:
            self._facts = self._engine.start()
            self._files = Files.scan(self._facts.files)
        except BaseException:
            self._engine.stop(ENGINE_STOP_TIMEOUT)
            raise
        self._outbox.start()
        self._poller.start()
        self._accepting = True

    def handle(self, request: tensors.TritonRequest) -> None:
        """Take one request; quick, and raises nothing: every fault of a request becomes its record."""
        if is_official(request):
            self._handle_official(request)
            return
        channel = Channel(request.get_response_sender())
        rid = ""
        try:
            message = tensors.read(request)
            envelope = decode(message)
            rid = rid_of(envelope)
            parsed = parse(envelope, message)
        except Exception as exception:  # noqa: BLE001  one bad request must not fail its batch
            self._refuse(Life(rid, self._poster(channel)), exception)
            return
        life = Life(rid, self._poster(channel))
        try:
            self._operations[type(parsed)](parsed, life, channel)
        except Exception as exception:  # noqa: BLE001  as above; `_refuse` logs what is our fault
            self._refuse(life, exception)

    def _handle_official(self, request: tensors.TritonRequest) -> None:
        reply = Reply()
        channel = Channel(request.get_response_sender(), reply.write)
        life = Life(uuid.uuid4().hex, self._poster(channel))
        try:
            parsed = self._desk.read(request, life.rid, self._facts, self._engine)
            reply.expect(parsed.wanted)
            if isinstance(parsed, OfficialEmbed):
                self._embed(parsed, life, channel)
            else:
                self._generate(parsed, life, channel, reply.open)
        except Exception as exception:  # noqa: BLE001  as in `handle`
            self._refuse(life, exception)

    def stop(self) -> None:
        """End running requests with their one error each, then the engine and the threads, all in bounded time."""
        self._accepting = False
        for generation in self._active.snapshot():
            generation.end(Unavailable("the server is stopping"))
        self._poller.stop(SENDER_STOP_TIMEOUT)
        if not self._outbox.stop(SENDER_STOP_TIMEOUT):
            logger.warning("Triton does not take the last responses; they are dropped")
        self._engine.stop(ENGINE_STOP_TIMEOUT)
        # Whatever of Triton's objects is still held by a cycle has to go before Triton's shared memory does.
        gc.collect()

    def _poster(self, channel: Channel) -> Callable[[list[Record], bool], None]:
        outbox = self._outbox
        return lambda records, final: outbox.post(channel, records, final=final)

    def _refuse(self, life: Life, exception: Exception) -> None:
        failure = translate(exception)
        if failure.type == "internal":
            logger.error("request %s could not be handled", life.rid, exc_info=exception)
        event = Event.ABORT if failure.type == "cancelled" else Event.FAIL
        life.advance(event, [response.error(life.rid, failure)])

    def _generate(
        self, request: Generate, life: Life, channel: Channel, open_answer: OpenAnswer = native_answer
    ) -> None:
        if not self._accepting:
            raise Unavailable("the server is stopping")
        generation = Generation(life, channel, self._engine.abort, open_answer)
        self._watch(generation, channel)
        self._engine.submit(request, generation)

    def _embed(self, request: OfficialEmbed, life: Life, channel: Channel) -> None:
        if not self._accepting or not isinstance(self._engine, Embedder):
            raise Unavailable("the server is stopping")
        embedding = Embedding(life, channel, self._engine.abort)
        self._watch(embedding, channel)
        self._engine.embed(request, embedding)

    def _ask(self, request: Pool | Lora, life: Life, channel: Channel) -> None:
        if not self._accepting:
            raise Unavailable("the server is stopping")
        inquiry = Inquiry(life, channel, self._engine.abort)
        self._watch(inquiry, channel)
        self._engine.ask(request, inquiry)

    def _watch(self, generation: Generation, channel: Channel) -> None:
        generation.life.on_end = lambda: self._active.remove(generation)
        channel.on_broken = generation.broken
        self._active.add(generation)
        self._poller.wake()

    def _describe(self, request: Describe, life: Life, channel: Channel) -> None:
        if request.files is None:
            life.advance(Event.ANSWER, [response.result(life.rid, self._description())])
            return
        parts = self._files.read(request.files)
        records = [response.part(life.rid, part.name, part.offset, len(part.data)) for part in parts]
        self._outbox.post(channel, records, final=False, blobs=[part.data for part in parts])
        life.advance(Event.ANSWER, [response.result(life.rid, self._description())])

    def _description(self) -> dict[str, Any]:
        facts = self._facts
        if facts is None:
            raise Unavailable("the engine is starting")
        return {
            "backend": "vllm_custom",
            "contract": [VERSION],
            "engine": facts.engine,
            "engine_version": facts.engine_version,
            "model": self._model,
            "tasks": list(facts.tasks),
            "context_length": facts.context_length,
            "vocab_size": facts.vocab_size,
            "renderer": "gateway" if self._files.suffice_for_chat() else "backend",
            "loras": self._engine.loras(),
            "tool_parser": facts.tool_parser,
            "reasoning_parser": facts.reasoning_parser,
            "files": self._files.as_json(),
        }

    def _abort(self, request: Abort, life: Life, channel: Channel) -> None:
        aborted = self._active.abort(request.target)
        life.advance(Event.ANSWER, [response.result(life.rid, {"aborted": aborted})])

    def _stats(self, request: Stats, life: Life, channel: Channel) -> None:
        states = [generation.life.state for generation in self._active.snapshot()]
        value = {
            "accepting": self._accepting,
            "queued": states.count(State.QUEUED),
            "running": states.count(State.RUNNING),
            **self._engine.stats(),
        }
        life.advance(Event.ANSWER, [response.result(life.rid, value)])
