"""Deadlines, however many, kept by one thread that sleeps until the next of them."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

# A cancelled deadline stays in the heap until its time. With more than this many of them, the heap is built anew.
SLACK = 1024


class Deadlines:
    """`set` and `cancel` may be called from any thread; callbacks run on the thread of the deadlines and must be quick."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)

    def __len__(self) -> int:
        """How many are set, neither past nor cancelled."""
        with self._changed:
            return len(self._callbacks)

    @property
    def entries(self) -> int:
        """How many are remembered, cancelled ones included: what they cost in memory."""
        with self._changed:
            return len(self._heap)

    def start(self) -> None:
        self._thread.start()

    def set(self, seconds: float, callback: Callable[[], object]) -> int:
        """Call back once, in so many seconds; the number is for `cancel`."""
        with self._changed:
            number = next(self._numbers)
            self._callbacks[number] = callback
            heapq.heappush(self._heap, (self._clock() + seconds, number))
            if self._heap[0][1] == number:
                self._changed.notify()
        return number

    def cancel(self, number: int) -> None:
        """Ignored when it has passed. The callback is released at once."""
        with self._changed:
            self._callbacks.pop(number, None)
            if len(self._heap) > 2 * len(self._callbacks) + SLACK:
                self._heap = [entry for entry in self._heap if entry[1] in self._callbacks]
                heapq.heapify(self._heap)

    def stop(self, timeout: float) -> None:
        with self._changed:
            self._stopping = True
            self._callbacks.clear()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while (callback := self._next()) is not None:
            try:
                callback()
            except Exception:
                logger.exception("a deadline could not be kept")

    def _next(self) -> Callable[[], object] | None:
        """Wait for the next deadline that still counts; None at the end."""
        with self._changed:
            while not self._stopping:
                if not self._heap:
                    self._changed.wait()
                elif (rest := self._heap[0][0] - self._clock()) > 0:
                    self._changed.wait(rest)
                elif (callback := self._callbacks.pop(heapq.heappop(self._heap)[1], None)) is not None:
                    return callback
        return None
