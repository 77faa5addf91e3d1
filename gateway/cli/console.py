"""The program's output: whole lines, flushed at once, so that a terminal and a log show the same."""

import sys
import threading
import time
from collections.abc import Callable

_lock = threading.Lock()


def say(line: str) -> None:
    """Print one line about the progress."""
    with _lock:
        print(line, flush=True)


def complain(line: str) -> None:
    """Print one line about a problem."""
    with _lock:
        print(line, file=sys.stderr, flush=True)


class Throttle:
    """Allows one line per `interval` seconds at most, so that a long step shows progress without flooding the output."""

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        """No line is allowed in the first `interval`."""
        self._interval = interval
        self._clock = clock
        self._next = clock() + interval

    def due(self) -> bool:
        """Whether a line may be printed now. A True answer starts the next interval."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
