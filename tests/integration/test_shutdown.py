"""The end: everything that was started is gone. Runs last."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil

from tests.integration.conftest import STOP_LIMIT_S, System, start_system

SHM = Path("/dev/shm")


def test_sigterm_ends_everything(system: System) -> None:
    """After SIGTERM no process of ours is left, and no file of theirs in shared memory."""
    family = psutil.Process(system.process.pid).children(recursive=True)
    files = _shared_memory_of(family)
    assert files
    seconds = system.stop(signal.SIGTERM)
    print(f"stopped after {seconds:.1f} s")
    assert not _running(family)
    assert not [name for name in files if (SHM / name).exists()]
    assert system.process.returncode == 0


def test_interrupt_while_starting_ends_everything(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a start leaves nothing behind either."""
    starting = start_system(tmp_path, workers=1)
    try:
        stubs: list[psutil.Process] = []
        deadline = time.monotonic() + 120
        while not stubs and time.monotonic() < deadline:
            stubs = starting.members("triton_python_backend_stub")
            time.sleep(0.2)
        assert stubs
        family = psutil.Process(starting.process.pid).children(recursive=True)
        files = _shared_memory_of(family)
        started = time.monotonic()
        starting.stop(signal.SIGINT)
        print(f"stopped after {time.monotonic() - started:.1f} s")
        assert not _running(family)
        assert not [name for name in files if (SHM / name).exists()]
    finally:
        if starting.process.poll() is None:
            starting.process.kill()
            starting.process.wait(STOP_LIMIT_S)


def _running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run a second later. One that has ended and only waits for being reaped is gone."""
    _, left = psutil.wait_procs(processes, timeout=1)
    return [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def _shared_memory_of(processes: list[psutil.Process]) -> set[str]:
    """Names in /dev/shm that the processes have mapped."""
    names: set[str] = set()
    for process in processes:
        try:
            names |= {Path(entry.path).name for entry in process.memory_maps() if entry.path.startswith(f"{SHM}/")}
        except psutil.NoSuchProcess:
            continue
    return names
