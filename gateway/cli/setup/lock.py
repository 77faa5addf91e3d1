"""Allows one set-up at a time in a checkout, and none that replaces files from which something is being served.

A lock ends with its process, so an interrupted set-up leaves none behind.
"""

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gateway.cli.console import say
from gateway.cli.errors import Stopped


@contextmanager
def only_one(path: Path, stop: threading.Event) -> Generator[None]:
    """Hold the lock. If another set-up holds it, print which one, and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file, stop)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def in_use(path: Path) -> Generator[None]:
    """Mark this checkout as being served from. Several processes may do this at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_in_use(path: Path) -> bool:
    """Whether a process serves from this checkout. It writes nothing, so that any user may ask."""
    if not path.exists():
        return False
    with path.open("a" if os.access(path, os.W_OK) else "r") as file:  # on NFS only a writer may try
        return not _try(file)


def _acquire(file: IO[str], stop: threading.Event) -> None:
    said = False
    while not _try(file):
        if not said:
            said = True
            file.seek(0)
            say(f"Another set-up is at work in this checkout (process {file.read() or 'unknown'}); waiting for it.")
        if stop.wait(0.2):
            raise Stopped


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
