"""One model instance: requests in, records out, and the order of starting and stopping."""

from __future__ import annotations

import gc
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .configuration import environment
from .configuration.settings import Settings
from .contract import response, tensors
from .contract.files import Files
from .contract.lifecycle import Event, Life, Record, State
from .contract.pooling import Lora, Pool
from .contract.request import (
    VERSION,
    Abort,
    CloseSession,
    Control,
    Describe,
    Generate,
    Health,
    OpenSession,
    Ping,
    Request,
    Stats,
    decode,
    parse,
    rid_of,
    session_of,
)
from .engine.interface import Facts
from .errors import BackendError, Timeout, Unavailable, translate
from .metrics.meter import Meter
from .official.reply import Reply
from .official.request import OfficialEmbed
from .official.tensors import is_official
from .recovery.recovering_engine import RecoveringEngine
from .serving.cancellation import Poller
from .serving.control import Operator
from .serving.deadlines import Deadlines
from .serving.gate import STOPPING, Gate
from .serving.generation import Generation, OpenAnswer, native_answer
from .serving.inquiry import Inquiry
from .serving.ledger import Ledger
from .serving.official_embedding import Embedding
from .serving.official_intake import Desk
from .serving.outbox import Channel, Outbox, Send
from .serving.running import Active
from .serving.session import Session, Sessions

logger = logging.getLogger(__name__)

ENGINE_STOP_TIMEOUT = 5.0
SENDER_STOP_TIMEOUT = 2.0


class Instance:
    """`start`, then `handle` for every request from one thread, then `stop`."""

    def __init__(
        self,
        model: str,
        engine: RecoveringEngine,
        *,
        desk: Desk | None = None,
        send: Send = tensors.send,
        settings: Settings | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._model = model
        self._desk = desk or Desk(model)
        self._engine = engine
        self._ledger = ledger or Ledger(Meter())
        self._active = Active()
        self._gate = Gate()
        self._deadlines = Deadlines()
        allowed = (settings or Settings()).control
        self._operator = Operator(allowed, engine, self._gate, self._active, self._deadlines)
        self._outbox = Outbox(send)
        self._sessions = Sessions(self._outbox)
        self._poller = Poller(self._watched)
        self._accepting = False
        self._facts: Facts | None = None
        self._files = Files(None, ())
        self._operations: Mapping[type[Request], Callable[[Any, Life, Channel], None]] = {
            Describe: self._describe,
            Generate: self._generate,
            Abort: self._abort,
            Stats: self._stats,
            Health: self._health,
            Control: self._operator.perform,
            Pool: self._ask,
            Lora: self._ask,
            OpenSession: self._open_session,
            Ping: self._ping,
            CloseSession: self._close_session,
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
        self._deadlines.start()
        self._ledger.start(self._engine, self.is_ready)
        self._sessions.start()
        self._accepting = True

    def is_ready(self) -> bool:
        """Whether a request would be taken now; asks nobody and waits for nothing."""
        return self._accepting and self._gate.reason is None and self._engine.vitals().alive

    def engine_failed(self, failure: Unavailable) -> None:
        """End whatever waits for the engine, all of it at once. Called when nothing new reaches the engine any more."""
        self._operator.engine_failed(failure)
        for generation in self._active.snapshot():
            generation.end(failure)
        # The turn of the engine's loop that a session's records wait for may never come.
        self._sessions.flush()

    def flush(self) -> None:
        """The last responses on their way out, before the process ends without a `stop`."""
        self._accepting = False
        self._outbox.stop(SENDER_STOP_TIMEOUT)

    def handle(self, request: tensors.TritonRequest) -> None:
        """Take one request; quick, and raises nothing: every fault of a request becomes its record."""
        if is_official(request):
            self._handle_official(request)
            return
        channel = Channel(request.get_response_sender())
        life = Life("", self._poster(channel))
        try:
            message = tensors.read(request)
            envelope = decode(message)
            life = self._life(envelope, channel)
            parsed = parse(envelope, message)
            self._operations[type(parsed)](parsed, life, channel)
        except Exception as exception:  # noqa: BLE001  one bad request must not fail its batch; `_refuse` logs our faults
            self._refuse(life, exception)

    def _handle_official(self, request: tensors.TritonRequest) -> None:
        reply = Reply()
        channel = Channel(request.get_response_sender(), reply.write)
        life = Life(uuid.uuid4().hex, self._poster(channel))
        try:
            parsed = self._desk.read(request, life.rid, self._facts, self._engine)
            timeout = request.timeout() / 1e6 if request.timeout() > 0 else None
            reply.expect(parsed.wanted)
            if isinstance(parsed, OfficialEmbed):
                self._embed(parsed, life, channel, timeout)
            else:
                self._generate(replace(parsed, timeout=timeout), life, channel, reply.open)
        except Exception as exception:  # noqa: BLE001  as in `handle`
            self._refuse(life, exception)

    def stop(self) -> None:
        """End running requests with their one error each, then the engine and the threads, all in bounded time."""
        self._accepting = False
        self._gate.close(STOPPING)
        self._sessions.stop(SENDER_STOP_TIMEOUT)
        for generation in self._active.snapshot():
            generation.end(Unavailable(STOPPING))
        self._operator.stop()
        self._ledger.stop(SENDER_STOP_TIMEOUT)
        self._deadlines.stop(SENDER_STOP_TIMEOUT)
        self._poller.stop(SENDER_STOP_TIMEOUT)
        if not self._outbox.stop(SENDER_STOP_TIMEOUT):
            logger.warning("Triton does not take the last responses; they are dropped")
        self._engine.stop(ENGINE_STOP_TIMEOUT)
        # Whatever of Triton's objects is still held by a cycle has to go before Triton's shared memory does.
        gc.collect()

    def _poster(self, channel: Channel) -> Callable[[list[Record], bool], None]:
        outbox = self._outbox
        return lambda records, final: outbox.post(channel, records, final=final)

    def _life(self, envelope: Mapping[str, Any], channel: Channel) -> Life:
        """The life of a request, which answers by the session that it names, or for itself."""
        session = self._sessions.find(session_of(envelope))
        if session is None:
            return Life(rid_of(envelope), self._poster(channel))
        self._outbox.post(channel, [], final=True)
        return Life(rid_of(envelope), session.post)

    def _watched(self) -> list[Session | Generation]:
        """Whom Triton has to be asked about: one question a session, whatever it carries."""
        return [*self._sessions.snapshot(), *(each for each in self._active.snapshot() if each.is_alone)]

    def _refuse(self, life: Life, exception: Exception) -> None:
        failure = translate(exception)
        if failure.type == "internal":
            logger.error("request %s could not be handled", life.rid, exc_info=exception)
        event = Event.ABORT if failure.type == "cancelled" else Event.FAIL
        if life.on_end is None:
            self._ledger.refused(failure.type)
        life.advance(event, [response.error(life.rid, failure)])

    def _generate(
        self, request: Generate, life: Life, channel: Channel, open_answer: OpenAnswer = native_answer
    ) -> None:
        if not self._accepting:
            raise Unavailable(STOPPING)
        if request.session is not None:
            self._generate_in(self._sessions.get(request.session), request, life)
            return
        generation = Generation(life, channel, self._engine.abort, open_answer)
        self._run(generation, channel, request.timeout, lambda: self._engine.submit(request, generation))

    def _embed(self, request: OfficialEmbed, life: Life, channel: Channel, timeout: float | None) -> None:
        if not self._accepting:
            raise Unavailable(STOPPING)
        embedding = Embedding(life, channel, self._engine.abort)
        self._run(embedding, channel, timeout, lambda: self._engine.embed(request, embedding))

    def _ask(self, request: Pool | Lora, life: Life, channel: Channel) -> None:
        if not self._accepting:
            raise Unavailable(STOPPING)
        inquiry = Inquiry(life, channel, self._engine.abort)
        self._run(inquiry, channel, request.timeout, lambda: self._engine.ask(request, inquiry))

    def _run(
        self, generation: Generation, way: Channel | Session, timeout: float | None, hand_over: Callable[[], None]
    ) -> None:
        """Watch over it until it ends, and hand it to the engine unless something stands against it. `way` is how its
        records travel."""
        began = self._ledger.now()
        session = way if isinstance(way, Session) else None
        generation.life.on_end = lambda: self._ended(generation, began, session)
        if isinstance(way, Session):
            way.add(generation)
        else:
            way.on_broken = generation.broken
        self._active.add(generation)
        self._poller.wake()
        try:
            # Behind `add`: who closes the gate, or fails the engine, and then looks who runs has missed nobody.
            self._gate.check()
            self._limit(generation, timeout)
            hand_over()
        except BackendError as failure:
            generation.failed(failure)

    def _limit(self, generation: Generation, seconds: float | None) -> None:
        if seconds is None:
            return
        late = Timeout(f"the deadline of {seconds:g} s has passed")
        generation.deadline = self._deadlines.set(seconds, lambda: generation.end(late))
        if generation.life.ended:
            self._deadlines.cancel(generation.deadline)

    def _ended(self, generation: Generation, began: float, session: Session | None) -> None:
        self._active.remove(generation)
        if generation.deadline is not None:
            self._deadlines.cancel(generation.deadline)
        self._ledger.ended(generation.outcome, began)
        if session is not None:
            session.remove(generation)

    def _generate_in(self, session: Session, request: Generate, life: Life) -> None:
        if session.has(request.rid):
            # An error would carry the rid of the first, and end that at the client. Nobody waits for the second.
            logger.warning("request %s came twice in its session; the second is dropped", request.rid)
            return
        generation = Generation(life, None, self._engine.abort)
        self._run(generation, session, request.timeout, lambda: self._engine.submit(request, generation))

    def _open_session(self, request: OpenSession, life: Life, channel: Channel) -> None:
        if not self._accepting:
            raise Unavailable(STOPPING)
        self._sessions.open(request, channel)
        self._poller.wake()

    def _ping(self, request: Ping, life: Life, channel: Channel) -> None:
        self._sessions.get(request.rid).heard()
        life.advance(Event.ANSWER, [])

    def _close_session(self, request: CloseSession, life: Life, channel: Channel) -> None:
        self._sessions.get(request.rid).close()
        life.advance(Event.ANSWER, [])

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
            "travel": ["direct", "session"],
            "tasks": list(facts.tasks),
            "context_length": facts.context_length,
            "vocab_size": facts.vocab_size,
            "renderer": "gateway" if self._files.suffice_for_chat() and not facts.renders else "backend",
            "media": {"image": facts.images} if facts.images else {},
            "loras": self._engine.loras(),
            "tool_parser": facts.tool_parser,
            "reasoning_parser": facts.reasoning_parser,
            "environment": environment.described(),
            "files": self._files.as_json(),
        }

    def _abort(self, request: Abort, life: Life, channel: Channel) -> None:
        aborted = self._active.abort(request.target)
        life.advance(Event.ANSWER, [response.result(life.rid, {"aborted": aborted})])

    def _stats(self, request: Stats, life: Life, channel: Channel) -> None:
        states = [generation.life.state for generation in self._active.snapshot()]
        value = {
            "accepting": self._accepting,
            "ready": self.is_ready(),
            "queued": states.count(State.QUEUED),
            "running": states.count(State.RUNNING),
            **self._engine.stats(),
        }
        life.advance(Event.ANSWER, [response.result(life.rid, value)])

    def _health(self, request: Health, life: Life, channel: Channel) -> None:
        health = self._engine.health()
        value = {**health, "ready": self.is_ready(), "reason": health["reason"] or self._gate.reason}
        life.advance(Event.ANSWER, [response.result(life.rid, value)])
