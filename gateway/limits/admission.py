"""Permits limit how many requests are in work at a time. Further requests queue in order; when the queue is full they are
refused.

    acquire ── free permit ──────────────> Permit ── `with permit:` ends ──> back, or to the first in the queue
        └───── none free ── queue ── turn ──> Permit
                              │ full, or the wait too long
                              └──> Overloaded (429, Retry-After)

Functions that do a request's work take its permit as an argument, so that admission can't be forgotten. The permit also
holds the tokens that the request has taken from its key's limit (`quota.py`), because both come back when it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple

from gateway import request_record
from gateway.errors import Overloaded
from gateway.limits import callers
from gateway.limits.quota import Quota, Reservation

_FIRST_GUESS_S: Final = 1.0
_SMOOTHING: Final = 0.1


class Permit:
    """The right to have one request in work. Comes back when its `with` block ends, whatever ends it.

    Its `weight` is how much of the limit it takes. All the work of a request runs under its one permit: how much of it runs
    at a time is for the request's own code to bound.
    """

    __slots__ = ("_admission", "_quota", "_reservations", "_returned", "_since", "weight")

    def __init__(self, admission: Admission, quota: Quota, weight: int) -> None:
        self.weight = weight
        self._admission = admission
        self._quota = quota
        self._reservations: list[Reservation] = []
        self._since = time.monotonic()
        self._returned = False

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def reserve(self, tokens: int) -> Reservation | None:
        """Take tokens of the caller's limit, to be settled when the permit comes back. Raises as `Quota.reserve`."""
        reservation = self._quota.reserve(tokens)
        if reservation is not None:
            self._reservations.append(reservation)
        return reservation

    def release(self) -> None:
        """Give it back, if that has not happened yet."""
        if not self._returned:
            self._returned = True
            for reservation in self._reservations:
                reservation.settle()
            self._admission.take_back(self, time.monotonic() - self._since)


class _Waiting(NamedTuple):
    """A request in the queue: the weight of the permit that it wants, and the future that is done when it has it."""

    weight: int
    turn: asyncio.Future[None]


class Admission:
    """The permits of one worker. `limit` in work, `queue` waiting, each at most `max_wait_s`.

    `on_change` is called whenever the number of permits or the queue has changed, to update the metrics: those of several
    workers are files, which can't ask this object.
    """

    def __init__(
        self, *, limit: int, queue: int, max_wait_s: float, on_change: Callable[[Admission], None] = lambda _: None
    ) -> None:
        self._free = limit
        self._limit = limit
        self._queue_limit = queue
        self._max_wait_s = max_wait_s
        self._waiting: deque[_Waiting] = deque()
        self._mean_s = _FIRST_GUESS_S
        self._on_change = on_change

    @property
    def in_flight(self) -> int:
        """The weight of the permits that are out."""
        return self._limit - self._free

    @property
    def queued(self) -> int:
        """Requests that wait for one."""
        return len(self._waiting)

    async def acquire(self, weight: int = 1) -> Permit:
        """A permit for the current caller, at once or after a wait in the queue. Raises Overloaded.

        A `weight` above the limit is taken for the limit: a heavy request waits until it is alone, and can always succeed.
        """
        quota, weight = callers.caller.get().quota, min(weight, self._limit)
        if self._waiting or self._free < weight:
            await self._wait(weight)
        else:
            self._free -= weight
            self._on_change(self)
        request_record.current().admitted()
        return Permit(self, quota, weight)

    async def _wait(self, weight: int) -> None:
        """Stand in the queue until so much has been granted. Raises Overloaded."""
        if len(self._waiting) >= self._queue_limit:
            raise self._overloaded()
        waiting = _Waiting(weight, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._on_change(self)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await waiting.turn
        except TimeoutError:
            self._leave_queue(waiting)
            raise self._overloaded() from None
        except asyncio.CancelledError:
            self._leave_queue(waiting)
            raise

    def take_back(self, permit: Permit, worked_s: float) -> None:
        """A permit has come back after so long; the first in the queue get what it had."""
        self._mean_s += _SMOOTHING * (worked_s - self._mean_s)
        self._free += permit.weight
        self._grant()
        self._on_change(self)

    def _grant(self) -> None:
        """Let in from the front of the queue what there is room for. A heavy request is not overtaken."""
        while self._waiting and (self._waiting[0].turn.done() or self._waiting[0].weight <= self._free):
            waiting = self._waiting.popleft()
            if not waiting.turn.done():
                self._free -= waiting.weight
                waiting.turn.set_result(None)

    def _leave_queue(self, waiting: _Waiting) -> None:
        """Give up waiting. What was granted in the same moment goes to the next."""
        if waiting.turn.done() and not waiting.turn.cancelled():
            self._free += waiting.weight
        elif waiting in self._waiting:
            self._waiting.remove(waiting)
        self._grant()
        self._on_change(self)

    def _overloaded(self) -> Overloaded:
        """The error, with the time until a permit should be free at the recent pace."""
        wait_s = self._mean_s * (len(self._waiting) + 1) / self._limit
        return Overloaded(
            "The server is overloaded with requests. Please try again later.", retry_after_s=max(1.0, min(wait_s, 60.0))
        )
