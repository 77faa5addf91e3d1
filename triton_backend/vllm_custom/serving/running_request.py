"""One request that an engine works on: between the engine, which feeds it, and the outbox, which takes its records."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import records
from ..contract.lifecycle import Event, Life
from ..errors import BackendError, Cancelled, Internal
from .outbox import Channel


class RunningRequest:
    """What every such request has in common: it fails, is cancelled or aborted, and has its only end by its life.

    Its subclasses add how it succeeds. The engine calls it on its own event loop, others from their threads.
    """

    __slots__ = ("_abort_engine", "channel", "deadline", "life", "outcome")

    def __init__(self, life: Life, channel: Channel | None, abort_engine: Callable[[str], None]) -> None:
        """`channel` is that of the request itself; None when its records travel by a session."""
        self.life = life
        self.channel = channel
        self._abort_engine = abort_engine
        # For the metrics: `finished`, or the type of the error that ended it.
        self.outcome = "finished"
        # Its number among the deadlines, if it has one.
        self.deadline: int | None = None

    def failed(self, failure: BackendError) -> bool:
        """End it with this error; False when it has ended before. The engine is left alone: see `end`."""
        if not self.life.ended:
            self.outcome = failure.type
        event = Event.ABORT if isinstance(failure, Cancelled) else Event.FAIL
        return self.life.advance(event, [records.error(self.life.rid, failure)])

    @property
    def is_polled(self) -> bool:
        """Whether the poller asks Triton about it; for a request of a session it asks about the session."""
        return self.channel is not None

    def is_cancelled(self) -> bool:
        """Ask Triton whether the client has gone; blocks for a round trip."""
        return self.channel is not None and self.channel.is_cancelled()

    def cancel(self) -> None:
        """The client has gone."""
        self.end(Cancelled("the client has gone"))

    def broken(self) -> None:
        """A response could not be sent; what is posted from now on goes nowhere, but the engine is freed."""
        self.end(Internal("a response could not be sent"))

    def end(self, failure: BackendError) -> bool:
        """End it with this error and free the engine; False when it has ended before."""
        if not self.failed(failure):
            return False
        self._abort_engine(self.life.rid)
        return True
