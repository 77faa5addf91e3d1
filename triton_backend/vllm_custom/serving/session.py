"""Sessions: everything that is made for one gateway worker travels in one response per engine step.

    opened ── session ──► open ── close, its last request ended ──► closed   [sid, "result", …]
                            │ client gone, no ping, failed send
                            └──────────────────────────────────────► broken   [sid, "error", …]; its requests are aborted

A session is a request whose response sender lives as long as the gRPC call. Requests that name it get an empty final
response of their own at once, and their records go into the session's responses, which are numbered (`frame` records), so
that the client notices a lost one. The records of one engine step leave together: the first of them schedules a callback on
the engine's event loop, which runs after the tasks that the same step woke, and that callback queues the session in the
outbox. There is no timer, so nothing waits on an idle server.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from ..contract.lifecycle import Event, Life
from ..contract.records import Record, error, frame, result, session_open
from ..contract.tensors import Sender
from ..errors import BackendError, BadRequest, Cancelled, Internal, Unavailable
from .outbox import Channel, Outbox, Shipment
from .running_request import RunningRequest

logger = logging.getLogger(__name__)

# In seconds: how often the sessions are checked, after how long without a frame one sends an empty frame, and after how
# long without a ping it ends.
CHECK_PERIOD = 1.0
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
        records = [frame(self._sid, self._seq), *shipment.records]
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
        self._last_ping = self._last_sent = clock()
        self._lock = threading.Lock()
        self._requests: dict[str, RunningRequest] = {}
        self._closing = False
        channel.on_broken = self._broken

    def open(self) -> None:
        self.life.advance(Event.ACCEPT, [session_open(self.sid, VERSION)])

    def post(self, records: list[Record], final: bool) -> None:
        """The records of one of its requests; see `lifecycle.Post`. The session goes on after a final one."""
        self.life.advance(Event.OUTPUT, records)

    def has(self, rid: str) -> bool:
        """Whether a request with this rid runs in the session."""
        with self._lock:
            return rid in self._requests

    def add(self, request: RunningRequest) -> None:
        """One of its requests begins. Raises Unavailable when the session takes no new work any more."""
        with self._lock:
            if not self._closing and not self.life.ended:
                self._requests[request.life.rid] = request
                return
        raise Unavailable("the session is closing")

    def remove(self, request: RunningRequest) -> None:
        """One of its requests has ended; a session that is closing ends with the last one."""
        with self._lock:
            self._requests.pop(request.life.rid, None)
            done = self._closing and not self._requests
        if done:
            self._finish()

    def close(self) -> None:
        """Take no new work, and end when the last request has ended."""
        with self._lock:
            self._closing = True
            done = not self._requests
        if done:
            self._finish()

    def touch(self) -> None:
        """The client has sent a ping."""
        self._last_ping = self._clock()

    def check(self) -> None:
        """Called about once a second: end the session without pings, or send an empty frame after a quiet time."""
        now = self._clock()
        if now - self._last_ping > SILENCE_LIMIT:
            self.end(Cancelled(f"no ping for {SILENCE_LIMIT:.0f} s"))
        elif now - self._last_sent >= HEARTBEAT_PERIOD:
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
        if not self.life.advance(event, [error(self.sid, failure)]):
            return False
        with self._lock:
            requests = list(self._requests.values())
        logger.log(logging.INFO if not requests else logging.WARNING, "session %s ends with %d requests: %s",
                   self.sid, len(requests), failure.message)  # fmt: skip
        for request in requests:
            # With the session's own error, so that the metrics count a request as ended by whoever ended the session.
            request.end(failure)
        return True

    def _finish(self) -> None:
        self.life.advance(Event.FINISH, [result(self.sid, {"closed": True})])

    def _send(self, records: list[Record], final: bool) -> None:
        self._last_sent = self._clock()
        channel, outbox = self.channel, self._outbox
        if not channel.add(records, final=final):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            outbox.queue(channel)
        else:
            # This callback runs after the tasks that the same step of the engine woke, so that their records go along.
            loop.call_soon(outbox.queue, channel)


class Sessions:
    """The open sessions of one instance, and the thread that checks them."""

    def __init__(
        self, outbox: Outbox, *, clock: Callable[[], float] = time.monotonic, period: float = CHECK_PERIOD
    ) -> None:
        """`period` in seconds: how often each session is checked."""
        self._outbox = outbox
        self._clock = clock
        self._period = period
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}
        self._not_empty = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def open(self, sid: str, versions: Sequence[int], channel: Channel) -> Session:
        """The session takes over the channel's sender. Raises BadRequest when none of the client's versions is known, or
        the id is in use."""
        if VERSION not in versions:
            raise BadRequest(f"only version {VERSION} of sessions is known here", param="versions")
        with self._lock:
            if sid in self._open:
                raise BadRequest(f"the session {sid} is open already", param="rid")
            numbered = SessionChannel(sid, channel.hand_over())
            session = self._open[sid] = Session(sid, numbered, self._outbox, self._clock)
        session.life.on_end = lambda: self._forget(session)
        session.open()
        self._not_empty.set()
        return session

    def find(self, sid: str | None) -> Session | None:
        with self._lock:
            return None if sid is None else self._open.get(sid)

    def get(self, sid: str) -> Session:
        """As `find`. Raises Unavailable for one that has ended: a request that was to use it may be tried again."""
        session = self.find(sid)
        if session is None:
            raise Unavailable("there is no such session (any more)")
        return session

    def snapshot(self) -> Sequence[Session]:
        with self._lock:
            return list(self._open.values())

    def flush(self) -> None:
        """Send what waits for a callback on the engine's loop, which may have ended; an empty frame does no harm."""
        for session in self.snapshot():
            self._outbox.queue(session.channel)

    def stop(self, timeout: float) -> None:
        """End every session, and the thread."""
        for session in self.snapshot():
            session.end(Unavailable("the server is stopping"))
            # Not by a callback on the engine's loop, which is about to end.
            self._outbox.queue(session.channel)
        self._stopping.set()
        self._not_empty.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _forget(self, session: Session) -> None:
        with self._lock:
            self._open.pop(session.sid, None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._not_empty.clear()
            sessions = self.snapshot()
            for session in sessions:
                session.check()
            if sessions:
                self._stopping.wait(self._period)
            else:
                self._not_empty.wait()
