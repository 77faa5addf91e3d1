"""Programs under measurement: started on cores of their own, with what they use."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_STOP_LIMIT_S = 20.0
_CPU_CLOCK = 2
"""Linux' CPUCLOCK_SCHED: the time that all threads of a process have run, also those that have ended."""


@dataclass(frozen=True)
class Cores:
    """Who runs where: what is measured alone on `measured`, everything else (the sources, the clients, this) on `others`."""

    measured: tuple[int, ...]
    others: tuple[int, ...]


def cores(count: int = 1) -> Cores:
    """The first `count` cores for what is measured. With a single core everything shares it."""
    available = sorted(psutil.Process().cpu_affinity() or [0])
    return Cores(tuple(available[:count]), tuple(available[count:] or available))


@dataclass(frozen=True)
class Running:
    """A program and its descendants."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def cpu(self) -> float:
        """CPU seconds, user and system, that its processes have used."""
        return used(self.family())

    def memory(self) -> int:
        """Bytes that its processes hold in memory."""
        return sum(process.memory_info().rss for process in self.family())

    def family(self) -> list[psutil.Process]:
        """It and its descendants."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> None:
        """End it and its descendants."""
        end(self.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its descendants."""
    if process.poll() is not None:
        return
    leader = psutil.Process(process.pid)
    family = [leader, *leader.children(recursive=True)]
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in psutil.wait_procs(family, timeout=3)[1]:
        with suppress(psutil.NoSuchProcess):  # it may end just now
            left.kill()


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    *,
    on: Sequence[int] | None = None,
    environment: Mapping[str, str] | None = None,
    piped: bool = False,
    at: Path | None = None,
) -> Generator[Running, None, None]:
    """Start `command`; ended with the block. Its output goes to `folder`, `on` are its cores, `at` is where it runs.
    `piped`: its input and output are ours."""
    pinned = ["taskset", "-c", ",".join(map(str, on)), *command] if on else [*command]
    log = folder / f"{name}.log"
    pipe = subprocess.PIPE if piped else None
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned,
            env={**os.environ, **(environment or {})},
            cwd=at,
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or output,
            stderr=output,
            start_new_session=True,
        )
    started = Running(name, process, log)
    try:
        yield started
    finally:
        started.stop()
        for end in (process.stdin, process.stdout):
            if end is not None:
                end.close()


def wait_for(what: Callable[[], bool], programs: Sequence[Running], limit_s: float = 60.0) -> None:
    """Until it is true. Raises RuntimeError, with the last words of the programs, when one ends or the time is up."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and all(each.process.poll() is None for each in programs):
        if what():
            return
        time.sleep(0.1)
    words = "\n".join(f"--- {each.name}\n{each.log.read_text(errors='replace')[-3000:]}" for each in programs)
    raise RuntimeError(f"not ready:\n{words}")


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def used(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds, user and system, by the clock that each process has: /proc/<pid>/stat tells hundredths, a tenth of what
    paced streams take in a second. Its number is what clock_getcpuclockid(3) makes of the id; Python has no such call."""
    return sum(time.clock_gettime((~process.pid << 3) | _CPU_CLOCK) for process in processes)


@contextmanager
def work_folder() -> Generator[Path, None, None]:
    """A folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="triton-gateway-bench-") as name:
        yield Path(name)


def allow_many_files() -> None:
    """A thousand streams are more than a thousand sockets."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def build(folder: Path, name: str) -> Path:
    """Compile one of the programs in native/. Raises RuntimeError where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("a C compiler (cc) is needed for the load generator")
    program = folder / name
    source = Path(__file__).parent / "native" / f"{name}.c"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
    return program


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
