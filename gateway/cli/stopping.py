"""Turns Ctrl-C, SIGTERM and a closed terminal into an event for which the rest of the program waits."""

import os
import signal
import threading
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals() -> threading.Event:
    """Return an event that the signals set instead of ending the process at once. Call it once, in the main thread.

    A handler may interrupt any line, even one inside of `Event.set`, and would then wait for its lock forever. So the
    handlers do nothing: the interpreter writes a byte for each signal into a pipe, and a thread that reads the pipe sets
    the event.
    """
    stop = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in SIGNALS:
        signal.signal(number, _do_nothing)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_set_when_written, args=(reading, stop), name="signals", daemon=True).start()
    return stop


def _do_nothing(*_: object) -> None:
    """Does nothing; the interpreter writes the byte only if there is a handler."""


def _set_when_written(reading: int, stop: threading.Event) -> None:
    while os.read(reading, 64):
        stop.set()
