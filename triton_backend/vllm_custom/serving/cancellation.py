"""Notices that a client has gone, at a bounded cost.

Triton does not report it, but has to be asked for each request, and each question is a round trip between processes. One
thread asks about every active request in turn, queued and prefilling ones included. It asks every 100 ms while that costs
little, and less often when there are so many requests, or each answer takes so long, that asking would take more than a
fifth of the thread's time. Only where a round would then last longer than promised, it takes up to half of its time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

logger = logging.getLogger(__name__)

PERIOD = 0.1
SHARE = 0.2
# In seconds, for a round over all requests: with the abort that follows, below the half second that is promised.
ROUND = 0.35
MOST_SHARE = 0.5
# So many are asked about without a pause; then the other threads get their turn.
SLICE = 8


class Watched(Protocol):
    """An active request: `is_cancelled` asks Triton, `cancel` ends the request."""

    def is_cancelled(self) -> bool: ...
    def cancel(self) -> None: ...


class Poller:
    """Polls whatever `active()` lists, until stopped. To be woken by `wake()` when the list is no longer empty."""

    def __init__(
        self,
        active: Callable[[], Sequence[Watched]],
        *,
        period: float = PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._active = active
        self._period = period
        self._clock = clock
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancellation", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            watched = self._active()
            if watched:
                self._sweep(watched)
            else:
                self._awake.wait()

    def _sweep(self, watched: Sequence[Watched]) -> None:
        for start in range(0, len(watched), SLICE):
            portion = watched[start : start + SLICE]
            began = self._clock()
            for request in portion:
                check(request)
            busy = self._clock() - began
            if self._stopping.wait(pause(busy, len(portion), len(watched), self._period)):
                return


def check(request: Watched) -> None:
    """Cancel the request if its client has gone. A fault with one request must not end the watch over the others."""
    try:
        if request.is_cancelled():
            request.cancel()
    except Exception:
        logger.exception("a request could not be asked for its cancellation")


def pause(busy: float, portion: int, total: int, period: float) -> float:
    """Seconds to rest after `portion` of `total` requests took `busy` seconds to ask."""
    even = period * portion / total - busy
    affordable = busy * (1 - SHARE) / SHARE
    promised = max(ROUND * portion / total - busy, busy * (1 - MOST_SHARE) / MOST_SHARE)
    return max(even, min(affordable, promised))
