"""One model instance: the order of starting and stopping, and the way of a request to its operation."""

from __future__ import annotations

import gc
import logging
import time
import uuid
from collections.abc import Callable

from . import operations
from .configuration.settings import Settings
from .contract import records, tensors
from .contract.files import Files
from .contract.lifecycle import Event, Life, Post
from .contract.request import Envelope, decode, rid_of, session_of
from .errors import Unavailable, translate
from .metrics.meter import Meter
from .official.tensors import is_official
from .official.writer import OfficialWriter
from .operations import official
from .operations.official import OfficialReader
from .recovery.recovering_engine import RecoveringEngine
from .serving.cancellation import Poller
from .serving.context import Call, Serving, is_ready
from .serving.deadlines import Deadlines
from .serving.gate import ASLEEP, STOPPING, Gate
from .serving.outbox import Channel, Outbox, Send
from .serving.pending_lives import PendingLives
from .serving.request_metrics import RequestMetrics
from .serving.running_request import RunningRequest
from .serving.running_requests import RunningRequests
from .serving.session import Session, Sessions
from .serving.supervisor import Supervisor

logger = logging.getLogger(__name__)

# In seconds, each.
ENGINE_STOP_TIMEOUT = 5.0
THREAD_STOP_TIMEOUT = 2.0


class Instance:
    """`start`, then `handle` for every request from one thread, then `stop`."""

    def __init__(
        self,
        model: str,
        engine: RecoveringEngine,
        *,
        official_reader: OfficialReader | None = None,
        send: Send = tensors.send,
        settings: Settings | None = None,
        request_metrics: RequestMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is that of the sessions, in seconds."""
        self._model = model
        self._engine = engine
        self._official_reader = official_reader or OfficialReader(model)
        self._control_ops = (settings or Settings()).control
        self._request_metrics = request_metrics or RequestMetrics(Meter())
        self._gate = Gate()
        self._running = RunningRequests()
        self._pending_control = PendingLives()
        self._deadlines = Deadlines()
        self._outbox = Outbox(send)
        self._sessions = Sessions(self._outbox, clock=clock)
        self._poller = Poller(self._polled)
        # What the operations see of all this; None until the engine has started.
        self._serving: Serving | None = None

    def start(self) -> None:
        """Blocks until the engine can serve. When it raises, nothing is left behind."""
        try:
            self._serving = self._start_engine()
        except BaseException:
            self._engine.stop(ENGINE_STOP_TIMEOUT)
            raise
        self._outbox.start()
        self._poller.start()
        self._deadlines.start()
        self._request_metrics.start(self._engine, self.is_ready)
        self._sessions.start()
        self._gate.begin()

    @property
    def unfinished(self) -> int:
        """How many requests the engine works on, or is about to."""
        return len(self._running)

    def is_ready(self) -> bool:
        """Whether a request would be taken now; returns at once, without asking the engine."""
        return is_ready(self._gate, self._engine)

    def engine_failed(self, failure: Unavailable) -> None:
        """End whatever waits for the engine, all of it at once. Called when nothing new reaches the engine any more."""
        self._pending_control.fail_all(failure)
        # The engine that follows is awake.
        self._gate.open(ASLEEP)
        for request in self._running.snapshot():
            request.end(failure)
        # Records of a session may wait for a callback on the engine's loop, which may never run.
        self._sessions.flush()

    def flush(self) -> None:
        """Send the last responses before the process ends without a `stop`."""
        self._gate.end()
        self._outbox.stop(THREAD_STOP_TIMEOUT)

    def handle(self, request: tensors.TritonRequest) -> None:
        """Take one request; quick, and raises nothing: whatever is wrong with a request becomes its error record."""
        if is_official(request):
            self._handle_official(request)
            return
        channel = Channel(request.get_response_sender())
        life = Life("", self._poster(channel))
        try:
            message = tensors.read(request)
            envelope = decode(message)
            life = self._life(envelope, channel)
            operation = operations.find(envelope)
            operation.handle(self._started(), envelope, message, Call(life, channel))
        except Exception as exception:  # noqa: BLE001  one bad request must not fail its batch; `_refuse` logs our faults
            self._refuse(life, exception)

    def _handle_official(self, request: tensors.TritonRequest) -> None:
        writer = OfficialWriter()
        channel = Channel(request.get_response_sender(), writer.write)
        life = Life(uuid.uuid4().hex, self._poster(channel))
        try:
            official.handle(self._started(), self._official_reader, request, Call(life, channel), writer)
        except Exception as exception:  # noqa: BLE001  as in `handle`
            self._refuse(life, exception)

    def stop(self) -> None:
        """End running requests with their one error each, then the engine and the threads, all in bounded time."""
        self._gate.end()
        self._gate.close(STOPPING)
        self._sessions.stop(THREAD_STOP_TIMEOUT)
        for request in self._running.snapshot():
            request.end(Unavailable(STOPPING))
        self._pending_control.fail_all(Unavailable(STOPPING))
        self._request_metrics.stop(THREAD_STOP_TIMEOUT)
        self._deadlines.stop(THREAD_STOP_TIMEOUT)
        self._poller.stop(THREAD_STOP_TIMEOUT)
        if not self._outbox.stop(THREAD_STOP_TIMEOUT):
            logger.warning("Triton does not take the last responses; they are dropped")
        self._engine.stop(ENGINE_STOP_TIMEOUT)
        # Whatever of Triton's objects is still held by a cycle has to go before Triton's shared memory does.
        gc.collect()

    def _start_engine(self) -> Serving:
        facts = self._engine.start()
        return Serving(
            model=self._model,
            engine=self._engine,
            facts=facts,
            files=Files.scan(facts.files),
            gate=self._gate,
            running=self._running,
            supervisor=Supervisor(self._running, self._gate, self._deadlines, self._poller, self._request_metrics),
            sessions=self._sessions,
            deadlines=self._deadlines,
            poller=self._poller,
            outbox=self._outbox,
            control_ops=self._control_ops,
            pending_control=self._pending_control,
        )

    def _started(self) -> Serving:
        if self._serving is None:
            raise Unavailable("the engine is starting")
        return self._serving

    def _poster(self, channel: Channel) -> Post:
        outbox = self._outbox
        return lambda records, final: outbox.post(channel, records, final=final)

    def _life(self, envelope: Envelope, channel: Channel) -> Life:
        """The life of a request, whose records travel by the session that it names, or by its own response."""
        session = self._sessions.find(session_of(envelope))
        if session is None:
            return Life(rid_of(envelope), self._poster(channel))
        self._outbox.post(channel, [], final=True)
        return Life(rid_of(envelope), session.post)

    def _polled(self) -> list[Session | RunningRequest]:
        """What Triton is asked about: one question a session, whatever it carries."""
        return [*self._sessions.snapshot(), *(each for each in self._running.snapshot() if each.is_polled)]

    def _refuse(self, life: Life, exception: Exception) -> None:
        failure = translate(exception)
        if failure.type == "internal":
            logger.error("request %s could not be handled", life.rid, exc_info=exception)
        event = Event.ABORT if failure.type == "cancelled" else Event.FAIL
        # A request that has begun is counted when it ends.
        if life.on_end is None:
            self._request_metrics.refused(failure.type)
        life.advance(event, [records.error(life.rid, failure)])
