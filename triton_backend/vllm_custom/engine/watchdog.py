"""Ends an engine whose stub has died: a small process that outlives the stub just long enough to clean up after it.

The stub can die without a word, by SIGKILL, by the out-of-memory killer, or because Triton did; vLLM's processes do not
notice, and would keep their memory and their GPU. So the stub starts this file as a program in a session of its own and
holds one end of a pipe. The program notes the stub's descendants once a second. When the pipe ends, the stub has ended, and
the program kills those descendants that are left. One byte on the pipe means that the stub is about to leave: if it has
not left a few seconds later, it hangs in the interpreter's shutdown and is killed as well.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import select
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

# In the environment of every descendant: by it those are found that were born since the last refresh.
MARK = "VLLM_CUSTOM_FAMILY"
INTERVAL = 1.0
LEAVE_TIMEOUT = 5.0
# multiprocessing's tracker unlinks the shared memory of dead processes and then ends by itself, if it is given the time.
TRACKER = "multiprocessing.resource_tracker"
TRACKER_TIMEOUT = 2.0
# In seconds, for killed processes to end. Until then the memory of a GPU is not free for the engine that follows.
GONE_TIMEOUT = 10.0
GONE_INTERVAL = 0.02
PR_SET_CHILD_SUBREAPER = 36


class Watchdog:
    """What the stub has of the watchdog. To be started before the engine."""

    def __init__(self) -> None:
        self._write_end: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        _adopt_orphans()
        os.environ[MARK] = uuid.uuid4().hex
        read_end, self._write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [_python(), "-I", str(Path(__file__).resolve()), str(read_end), str(os.getpid())],
                pass_fds=[read_end],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(read_end)

    @property
    def pid(self) -> int | None:
        """The watchdog's own process; None before `start`."""
        return None if self._process is None else self._process.pid

    def processor_seconds(self) -> float:
        """What the living descendants of this process have used, without the watchdog."""
        used = 0.0
        for child in psutil.Process().children(recursive=True):
            if child.pid == self.pid:
                continue
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used += times.user + times.system
        return used

    def kill_descendants(self) -> None:
        """Kill every descendant of this process but the watchdog, and but the tracker, whose work begins when this
        process has gone. Returns when they have gone, all ranks of an engine included, or after `GONE_TIMEOUT`."""
        descendants = Descendants(os.getpid(), spare=self.pid or os.getpid())
        deadline = time.monotonic() + GONE_TIMEOUT
        # Repeated, because an engine that is being started may start a rank while it is being killed.
        while (living := descendants.living()) and time.monotonic() < deadline:
            for member in living:
                _kill(member)
            time.sleep(GONE_INTERVAL)
        if living:
            logger.error("killed, but not gone after %s s: %s", GONE_TIMEOUT, living)
        descendants.reap()

    def announce_exit(self) -> None:
        """Announce that this process ends now; harmless when the watchdog was never started."""
        if self._write_end is None:
            return
        try:
            os.write(self._write_end, b"q")
        except BrokenPipeError:
            # The watchdog has been killed, and there is nothing left for it to do.
            os.close(self._write_end)
            self._write_end = None


class Descendants:
    """The descendants of one process, remembered: a child whose parent has died can't be found by descent any more."""

    def __init__(self, root: int, spare: int) -> None:
        self._root = root
        self._spare = {root, spare}
        self._members: set[psutil.Process] = set()

    def refresh(self) -> None:
        """Add those born since the last time, and forget those that have ended."""
        for parent in [self._root, *(member.pid for member in self._members)]:
            self._add(parent)
        self._members = {member for member in self._members if member.is_running()}

    def add_marked(self, mark: str) -> None:
        """Add every process of this host with this mark in its environment."""
        for process in psutil.process_iter():
            try:
                if process.pid not in self._spare and process.environ().get(MARK) == mark:
                    self._members.add(process)
            except psutil.Error:
                continue

    def kill(self) -> None:
        """Kill all that are left. psutil compares start times, so that a pid which is used again is not taken for ours."""
        trackers = self.kill_all_but_trackers()
        _, surviving = psutil.wait_procs(trackers, timeout=TRACKER_TIMEOUT)
        for tracker in surviving:
            _kill(tracker)

    def kill_all_but_trackers(self) -> list[psutil.Process]:
        """Kill all but the trackers, and return those."""
        trackers = [member for member in self._members if _is_tracker(member)]
        for member in self._members.difference(trackers):
            _kill(member)
        return trackers

    def living(self) -> list[psutil.Process]:
        """Those that are left, but for the trackers; refreshes first."""
        self.refresh()
        return [member for member in self._members if not _is_tracker(member) and not _has_ended(member)]

    def reap(self) -> None:
        """Reap the dead children of this process; those of `multiprocessing` first, which keeps its own account of them."""
        multiprocessing.active_children()
        for member in self._members:
            try:
                os.waitpid(member.pid, os.WNOHANG)
            except ChildProcessError:
                continue

    def _add(self, pid: int) -> None:
        try:
            children = psutil.Process(pid).children(recursive=True)
        except psutil.Error:
            return
        self._members.update(child for child in children if child.pid not in self._spare)


def watch(pipe: int, stub: int, *, interval: float = INTERVAL, leave_timeout: float = LEAVE_TIMEOUT) -> None:
    """What the watchdog's process does; returns when the stub has gone and its descendants are dead."""
    descendants = Descendants(stub, spare=os.getpid())
    deadline: float | None = None
    while True:
        descendants.refresh()
        readable, _, _ = select.select([pipe], [], [], interval)
        if readable:
            if not os.read(pipe, 64):
                break
            deadline = time.monotonic() + leave_timeout
        if deadline is not None and time.monotonic() > deadline:
            _kill_pid(stub)
    descendants.refresh()
    descendants.add_marked(os.environ.get(MARK, ""))
    descendants.kill()


def _adopt_orphans() -> None:
    """Make a process whose parent dies the child of this one. An EngineCore that is killed leaves the ranks of its engine
    behind; they would hold the GPUs that a new engine needs, and could not be found otherwise."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        logger.warning("orphans of the engine can't be followed: %s", os.strerror(ctypes.get_errno()))


def _has_ended(process: psutil.Process) -> bool:
    """A process that was killed is a zombie as soon as its first thread has ended; the others may hold its memory still."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return any(TRACKER in word for word in process.cmdline())
    except psutil.Error:
        return False


def _kill_pid(pid: int) -> None:
    try:
        _kill(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _python() -> str:
    # Inside the stub the interpreter is embedded; it still knows the python3 of its environment.
    python = sys.executable or shutil.which("python3")
    if not python:
        raise RuntimeError("there is no python3 on PATH to run the watchdog with")
    return python


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]))
