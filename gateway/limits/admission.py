"""Permits: how many requests may be in work at a time. Beyond that they queue, in order; beyond that they are refused.

    acquire ── free permit ──────────────> Permit ── `with permit:` ends ──> back, or to the first in the queue
        └───── none free ── queue ── turn ──> Permit
                              │ full, or the wait too long
                              └──> Overloaded (429, Retry-After)

Work takes a permit as an argument, so that nobody can forget admission. The tokens that a request takes of the limit of its
key (`quota.py`) are held by its permit, because they too come back however it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

from gateway.errors import Overloaded
from gateway.limits import callers
from gateway.limits.quota import Quota, Reservation

_FIRST_GUESS_S: Final = 1.0
_SMOOTHING: Final = 0.1


class Permit:
    """The right to have one request in work. Comes back when its `with` block ends, whatever ends it."""

    __slots__ = ("_admission", "_quota", "_reservations", "_returned", "_since")

    def __init__(self, admission: Admission, quota: Quota) -> None:
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
            self._admission.take_back(time.monotonic() - self._since)


class Admission:
    """The permits of one worker. `limit` in work, `queue` waiting, each at most `max_wait_s`.

    `on_change` is told whenever a permit or the queue has moved: the metrics of several workers go through files, which
    nobody can ask back.
    """

    def __init__(
        self, *, limit: int, queue: int, max_wait_s: float, on_change: Callable[[Admission], None] = lambda _: None
    ) -> None:
        self._free = limit
        self._limit = limit
        self._queue_limit = queue
        self._max_wait_s = max_wait_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._mean_s = _FIRST_GUESS_S
        self._on_change = on_change

    @property
    def in_flight(self) -> int:
        """Permits that are out."""
        return self._limit - self._free

    @property
    def queued(self) -> int:
        """Requests that wait for one."""
        return len(self._waiting)

    async def acquire(self) -> Permit:
        """A permit for the current caller, at once or after a wait in the queue. Raises Overloaded."""
        quota = callers.caller.get().quota
        if self._free:
            self._free -= 1
            self._on_change(self)
            return Permit(self, quota)
        if len(self._waiting) >= self._queue_limit:
            raise self._overloaded()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._on_change(self)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await turn
        except TimeoutError:
            self._leave_queue(turn)
            raise self._overloaded() from None
        except asyncio.CancelledError:
            self._leave_queue(turn)
            raise
        return Permit(self, quota)

    def take_back(self, worked_s: float) -> None:
        """A permit has come back after so long; the first in the queue gets it."""
        self._mean_s += _SMOOTHING * (worked_s - self._mean_s)
        self._pass_on()
        self._on_change(self)

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _leave_queue(self, turn: asyncio.Future[None]) -> None:
        """Give up waiting. A permit that came in the same moment goes on to the next."""
        if turn.done() and not turn.cancelled():
            self._pass_on()
        elif turn in self._waiting:
            self._waiting.remove(turn)
        self._on_change(self)

    def _overloaded(self) -> Overloaded:
        """When a place should be free: the queue and this request, at the pace of late."""
        wait_s = self._mean_s * (len(self._waiting) + 1) / self._limit
        return Overloaded(
            "The server is overloaded with requests. Please try again later.", retry_after_s=max(1.0, min(wait_s, 60.0))
        )
