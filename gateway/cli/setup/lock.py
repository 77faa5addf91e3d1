"""One set-up at a time in a checkout. The lock dies with its holder, so an interrupted set-up leaves none behind."""

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gateway.cli.console import say
from gateway.cli.errors import Stopped


@contextmanager
def only_one(path: Path, stop: threading.Event) -> Generator[None]:
    """Hold the lock; wait for it, saying who has it, when another set-up is at work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file, stop)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _acquire(file: TextIO, stop: threading.Event) -> None:
    said = False
    while not _try(file):
        if not said:
            said = True
            file.seek(0)
            say(f"Another set-up is at work in this checkout (process {file.read() or 'unknown'}); waiting for it.")
        if stop.wait(0.2):
            raise Stopped


def _try(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
