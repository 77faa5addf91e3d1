"""What the program says: whole lines, flushed at once, so that they read the same on a terminal and in a log."""

import sys
import threading
import time
from collections.abc import Callable

_lock = threading.Lock()


def say(line: str) -> None:
    """One line for the person who waits."""
    with _lock:
        print(line, flush=True)


def complain(line: str) -> None:
    """One line about something that is wrong."""
    with _lock:
        print(line, file=sys.stderr, flush=True)


class Throttle:
    """Lets a line through at most every `interval` seconds, so that a long step is seen to live without flooding."""

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is let through in the first `interval`."""
        self._interval = interval
        self._clock = clock
        self._next = clock() + interval

    def due(self) -> bool:
        """Whether it is time for a line; asking takes the turn."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
