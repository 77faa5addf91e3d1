"""The watchdog, with real processes: a parent that dies, and children that would survive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

WATCHDOG = Path(__file__).parents[4] / "triton_backend" / "vllm_custom" / "engine" / "watchdog.py"

# Stands for the stub: starts the watchdog, then an engine with a worker, reports their pids, and obeys its stdin.
STUB = """
import importlib.util, os, subprocess, sys
spec = importlib.util.spec_from_file_location("watchdog", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
watchdog = module.Watchdog()
watchdog.start()
worker = "import sys, time; print(__import__('os').getpid(), flush=True); time.sleep(600)"
engine = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {worker!r}]); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", engine], stdout=subprocess.PIPE, start_new_session=True)
print(watchdog.pid, child.pid, child.stdout.readline().decode().strip(), flush=True)
for line in sys.stdin:
    exec(line)
"""


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Stub:
    """The four processes of one test."""

    def __init__(self):
        self.stub = subprocess.Popen(
            [sys.executable, "-c", STUB, str(WATCHDOG)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        pids = [int(pid) for pid in self.stub.stdout.readline().split()]
        self.watchdog, *self.engine = [psutil.Process(pid) for pid in pids]

    def run(self, line):
        self.stub.stdin.write(line + "\n")
        self.stub.stdin.flush()

    def wait_until_gone(self, *processes):
        """A zombie has gone: whether it has been reaped is its parent's business."""
        while any(is_alive(process) for process in processes):
            time.sleep(0.01)

    def end(self):
        for process in [*self.engine, self.watchdog, self.stub]:
            try:
                process.kill()
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        self.stub.wait()
        self.stub.stdin.close()
        self.stub.stdout.close()


@pytest.fixture
def family():
    family = Stub()
    yield family
    family.end()


def test_killed_stub_takes_its_engine_along(family):
    """SIGKILL to the stub: engine and worker, in a session of their own, are gone, and then the watchdog."""
    os.kill(family.stub.pid, signal.SIGKILL)
    family.stub.wait()
    family.wait_until_gone(*family.engine, family.watchdog)


def test_orphan_of_a_dead_engine_is_found(family):
    """A worker whose own parent died first is still of the family."""
    engine, worker = family.engine
    engine.kill()
    os.kill(family.stub.pid, signal.SIGKILL)
    family.stub.wait()
    family.wait_until_gone(worker, family.watchdog)


def test_watchdog_leaves_the_living_alone(family):
    """As long as the stub lives, nobody is killed."""
    with pytest.raises(psutil.TimeoutExpired):
        family.watchdog.wait(timeout=1.5)
    assert all(process.is_running() for process in family.engine)


def test_stub_that_hangs_while_leaving_is_killed(family):
    """A stub that has said goodbye and does not go is killed, with what it left."""
    family.run("watchdog.announce_exit()")
    assert family.stub.wait() == -signal.SIGKILL
    family.wait_until_gone(*family.engine, family.watchdog)


def test_kill_descendants_spares_the_watchdog(family):
    """The stub's own clean-up kills engine and worker, and leaves the watchdog for the end."""
    family.run("watchdog.kill_descendants()")
    family.run("child.wait()")
    family.wait_until_gone(*family.engine)
    assert family.watchdog.is_running()
    family.run("raise SystemExit")
    family.wait_until_gone(family.watchdog)


ENGINE_OF_TWO_RANKS = """
import subprocess, sys, time
ranks = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) for _ in "01"]
print(*[rank.pid for rank in ranks], flush=True)
time.sleep(600)
"""


@pytest.fixture
def ranks(family):
    """An engine beside the family's first one, and its two ranks."""
    family.run(f"second = subprocess.Popen([sys.executable, '-c', {ENGINE_OF_TWO_RANKS!r}], stdout=subprocess.PIPE)")
    family.run("print(second.pid, second.stdout.readline().decode().strip(), flush=True)")
    processes = [psutil.Process(int(pid)) for pid in family.stub.stdout.readline().split()]
    family.engine += processes
    return processes


def left_when_killed(family):
    """The stub's children at the very moment when kill_descendants returns: nothing may be left for a new engine to meet."""
    family.run("watchdog.kill_descendants()")
    family.run("import psutil")
    family.run("print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)")
    return [int(pid) for pid in family.stub.stdout.readline().split()]


def test_all_ranks_are_gone_when_the_family_is_killed(family, ranks):
    """Also one that is stopped, as by a debugger; and nobody is left as a zombie."""
    ranks[2].suspend()
    assert left_when_killed(family) == [family.watchdog.pid]
    assert not any(is_alive(process) for process in family.engine)


def test_ranks_of_a_dead_engine_are_found(family, ranks):
    """An EngineCore that was killed leaves them behind; they belong to the stub from then on."""
    engine, *orphans = ranks
    orphans[0].suspend()
    engine.kill()
    family.run("second.wait()")
    assert left_when_killed(family) == [family.watchdog.pid]
    assert not any(is_alive(process) for process in orphans)


def test_killed_watchdog_does_not_disturb_the_stub(family):
    """Leaving works although nobody listens any more."""
    family.watchdog.kill()
    family.wait_until_gone(family.watchdog)
    family.run("watchdog.announce_exit(); watchdog.announce_exit(); raise SystemExit(7)")
    assert family.stub.wait(timeout=10) == 7
