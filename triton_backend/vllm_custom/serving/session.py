"""Session travel: everything that is made for one gateway worker, in one response per engine step.

    opened ── session ──► open ── close, its last request ended ──► closed   [sid, "result", …]
                            │ client gone, no ping, failed send
                            └──────────────────────────────────────► broken   [sid, "error", …]; its requests are aborted

A session is a request whose response sender lives as long as the gRPC call. Requests that name it get an empty final
response of their own at once, and their records go into the session's responses, which are numbered (`frame` records), so
that a lost one is noticed. The records of one engine step leave together: the first of them asks the engine's loop for a
turn behind the tasks that the same step woke, and only then the outbox is told. No timer, so no latency when idle.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from ..contract import response
from ..contract.lifecycle import Event, Life, Record
from ..contract.request import OpenSession
from ..contract.tensors import Sender
from ..errors import BackendError, BadRequest, Cancelled, Internal, Unavailable
from .generation import Generation
from .outbox import Channel, Outbox, Shipment

logger = logging.getLogger(__name__)

HEARTBEAT_PERIOD = 5.0
SILENCE_LIMIT = 15.0
VERSION = 1


class SessionChannel(Channel):
    """Numbers the responses. Only the outbox's thread takes, so the numbers are in the order of sending."""

    __slots__ = ("_seq", "_sid")

    def __init__(self, sid: str, sender: Sender) -> None:
        super().__init__(sender)
        self._sid = sid
        self._seq = 0

    def take(self) -> tuple[Shipment, bool]:
        shipment, more = super().take()
        records = [response.frame(self._sid, self._seq), *shipment.records]
        self._seq += 1
        return shipment._replace(records=records), more


class Session:
    """One open session. Every method may be called from any thread."""

    def __init__(self, sid: str, channel: SessionChannel, outbox: Outbox, clock: Callable[[], float]) -> None:
        self.sid = sid
        self.life = Life(sid, self._send)
        self.channel = channel
        self._outbox = outbox
        self._clock = clock
        self._heard = self._told = clock()
        self._lock = threading.Lock()
        self._generations: dict[str, Generation] = {}
        self._closing = False
        channel.on_broken = self._broken

    def open(self) -> None:
        self.life.advance(Event.ACCEPT, [response.session(self.sid, VERSION)])

    def post(self, records: list[Record], final: bool) -> None:
        """Where a request of this session puts its records; `final` has no response of its own here."""
        self.life.advance(Event.OUTPUT, records)

    def has(self, rid: str) -> bool:
        with self._lock:
            return rid in self._generations

    def add(self, generation: Generation) -> None:
        """Raises Unavailable when the session takes no new work any more."""
        with self._lock:
            if not self._closing and not self.life.ended:
                self._generations[generation.life.rid] = generation
                return
        raise Unavailable("the session is closing")

    def remove(self, generation: Generation) -> None:
        """One request has ended; the last one of a closing session ends that."""
        with self._lock:
            self._generations.pop(generation.life.rid, None)
            done = self._closing and not self._generations
        if done:
            self._finish()

    def close(self) -> None:
        """Take no new work, and end when what is there has ended."""
        with self._lock:
            self._closing = True
            done = not self._generations
        if done:
            self._finish()

    def heard(self) -> None:
        """The client has said that it is there."""
        self._heard = self._clock()

    def look(self) -> None:
        """Called about once a second: a session without pings ends, one that was quiet says that it lives."""
        now = self._clock()
        if now - self._heard > SILENCE_LIMIT:
            self.end(Cancelled(f"no ping for {SILENCE_LIMIT:.0f} s"))
        elif now - self._told >= HEARTBEAT_PERIOD:
            self.life.advance(Event.OUTPUT, [])

    def is_cancelled(self) -> bool:
        return self.channel.is_cancelled()

    def cancel(self) -> None:
        """The client has gone."""
        self.end(Cancelled("the client has gone"))

    def _broken(self) -> None:
        self.end(Internal("a response could not be sent"))

    def end(self, failure: BackendError) -> bool:
        """Break the session and abort its requests; False when it had ended before."""
        event = Event.ABORT if isinstance(failure, Cancelled) else Event.FAIL
        if not self.life.advance(event, [response.error(self.sid, failure)]):
            return False
        with self._lock:
            generations = list(self._generations.values())
        logger.log(logging.INFO if not generations else logging.WARNING, "session %s ends with %d requests: %s",
                   self.sid, len(generations), failure.message)  # fmt: skip
        for generation in generations:
            # Counted as what it is: an answer that the server breaks off is not the client's doing.
            generation.end(failure)
        return True

    def _finish(self) -> None:
        self.life.advance(Event.FINISH, [response.result(self.sid, {"closed": True})])

    def _send(self, records: list[Record], final: bool) -> None:
        self._told = self._clock()
        channel, outbox = self.channel, self._outbox
        if not channel.add(records, final=final):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            outbox.queue(channel)
        else:
            # Behind the tasks that this step of the engine woke as well: their records go along.
            loop.call_soon(outbox.queue, channel)


class Sessions:
    """The open sessions of one instance, and the thread that keeps the time for them."""

    def __init__(self, outbox: Outbox, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def open(self, request: OpenSession, channel: Channel) -> Session:
        """The session takes the channel's place. Raises BadRequest when no version suits both sides, or the id is in use."""
        if VERSION not in request.versions:
            raise BadRequest(f"only version {VERSION} of sessions is known here", param="versions")
        with self._lock:
            if request.rid in self._open:
                raise BadRequest(f"the session {request.rid} is open already", param="rid")
            numbered = SessionChannel(request.rid, channel.hand_over())
            session = self._open[request.rid] = Session(request.rid, numbered, self._outbox, self._clock)
        session.life.on_end = lambda: self._forget(session)
        session.open()
        self._wanted.set()
        return session

    def find(self, sid: str | None) -> Session | None:
        with self._lock:
            return None if sid is None else self._open.get(sid)

    def get(self, sid: str) -> Session:
        """Raises Unavailable: one that is not known has ended, and what was to travel by it may be tried again."""
        session = self.find(sid)
        if session is None:
            raise Unavailable("there is no such session (any more)")
        return session

    def snapshot(self) -> Sequence[Session]:
        with self._lock:
            return list(self._open.values())

    def flush(self) -> None:
        """Send what waits for a turn of the engine's loop, which may have ended; an empty frame does no harm."""
        for session in self.snapshot():
            self._outbox.queue(session.channel)

    def stop(self, timeout: float) -> None:
        """End every session, and the thread."""
        for session in self.snapshot():
            session.end(Unavailable("the server is stopping"))
            # Whatever turn of the engine's loop the last response waits for, that loop is about to end.
            self._outbox.queue(session.channel)
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _forget(self, session: Session) -> None:
        with self._lock:
            self._open.pop(session.sid, None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.clear()
            sessions = self.snapshot()
            for session in sessions:
                session.look()
            if sessions:
                self._stopping.wait(1.0)
            else:
                self._wanted.wait()
