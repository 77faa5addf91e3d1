"""The program's output: whole lines, flushed at once, so that a terminal and a log show the same."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

_lock = threading.Lock()


def show_any_text() -> None:
    """Let a stream that is not UTF-8 print `?` for a character that it lacks; by default it would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def stop_printing() -> None:
    """Print nothing any more, because nobody reads it. Otherwise Python would try once more at its end."""
    sys.stdout = Path(os.devnull).open("w")


def on_terminal() -> bool:
    """Whether somebody watches the output. A log needs no line every few seconds."""
    return sys.stdout.isatty()


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


class Progress:
    """Prints what a long work does: on a terminal one line per `interval`, elsewhere one line per step."""

    def __init__(self, interval: float) -> None:
        """No line is printed on a terminal in the first `interval`."""
        self._throttle = Throttle(interval)
        self._step = ""

    def tell(self, step: str, detail: str) -> None:
        """Print the line if it is due. Only a terminal shows `detail`, which changes all the time."""
        if on_terminal():
            if self._throttle.due():
                say(f"  {step} {detail}")
        elif step != self._step:
            say(f"  {step}")
        self._step = step
