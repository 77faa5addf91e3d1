"""The process tree, from /proc.

When Triton is killed, the processes that it started (stubs, and the engine inside a stub) survive. This process is a
subreaper, so it becomes the parent of these orphans; their session shows which program they belong to.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """One process, as /proc describes it."""

    pid: int
    parent: int
    session: int
    is_zombie: bool


def become_subreaper() -> None:
    """From now on, orphans below this process become its children."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def snapshot() -> list[Process]:
    """All processes at this moment."""
    found = (_read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in found if process]


def members(leader: int) -> list[int]:
    """The processes of a program that was started in a session of its own: the session, and all its descendants."""
    processes = [process for process in snapshot() if not process.is_zombie]
    own = {process.pid for process in processes if leader in (process.pid, process.session)}
    return sorted(own | _below(own | {leader}, processes))


def descendants(root: int) -> list[int]:
    """All descendants of a process."""
    return sorted(_below({root}, snapshot()))


def command_line(pid: int) -> str:
    """The program and its arguments; empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether the process is running; a zombie is not."""
    process = _read(pid)
    return process is not None and not process.is_zombie


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send the signal to each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def reap_orphans(except_for: Iterable[int]) -> None:
    """Reap orphans that have become our zombies. Not those in `except_for`: the code that started them reaps them."""
    spared, us = set(except_for), os.getpid()
    for process in snapshot():
        if process.is_zombie and process.parent == us and process.pid not in spared:
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                continue


def wait_until_gone(remaining: Callable[[], list[int]], seconds: float) -> bool:
    """Wait until `remaining` returns an empty list. Returns whether it did within `seconds`."""
    deadline = time.monotonic() + seconds
    while remaining():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _below(roots: set[int], processes: list[Process]) -> set[int]:
    found: set[int] = set()
    front = roots
    while front:
        front = {process.pid for process in processes if process.parent in front} - found - roots
        found |= front
    return found


def _read(pid: int) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent, _group, session, *_ = text.rpartition(")")[2].split()
    return Process(pid, int(parent), int(session), state in "ZX")
