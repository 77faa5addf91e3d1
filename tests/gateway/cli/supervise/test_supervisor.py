"""Twin of gateway/cli/supervise/supervisor.py: the real one, over fake programs, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli.supervise import processes

ROOT = Path(__file__).resolve().parents[4]
LIMIT_S = 15.0


@dataclass
class Run:
    """A supervisor at work. The fakes write their process ids into `folder`, and read there what to do."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def pid(self, name: str) -> int:
        """Of the present run of a fake."""
        path = self.folder / f"{name}.pid"
        return int(path.read_text()) if path.exists() else 0

    def pids(self) -> dict[str, int]:
        return {name: self.pid(name) for name in ("triton", "stub", "engine", "reconciler", "gateway")}

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not happen; the supervisor said:\n{self.said}")
            time.sleep(0.02)

    def wait_for_word(self, word: str, count: int = 1) -> None:
        self.wait_for(lambda: self.said.count(word) >= count, f"'{word}'")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def left(self) -> list[str]:
        """What outlived the run: processes and shared memory."""
        alive = [name for name, pid in self.pids().items() if processes.is_alive(pid)]
        prefix = (self.folder / "prefix").read_text()
        return alive + [path.name for path in Path("/dev/shm").glob(f"{prefix}*")] + list(map(str, self.own_memory()))

    def own_memory(self) -> list[Path]:
        return list(Path("/dev/shm").glob(f"psm_{self.pid('triton')}_test"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the fakes meet; they are ready from the start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (tmp_path / "port").write_text(str(probe.getsockname()[1]))
    (tmp_path / "readiness").write_text("200")
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Generator[Run, None, None]:
    """A supervisor whose fakes are well from the start."""
    with started(folder) as run:
        yield run


@contextmanager
def started(folder: Path) -> Generator[Run, None, None]:
    """A supervisor, started; stopped with all that belongs to it where the test has not done so."""
    with (folder / "said").open("wb") as said:
        command = [sys.executable, "-m", "tests.gateway.cli.supervise.supervise_fakes", str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
    run = Run(folder, process)
    try:
        yield run
    finally:
        if process.poll() is None:
            below = processes.descendants(process.pid)
            run.stop()
            processes.send(below, signal.SIGKILL)


def test_stop_leaves_nothing(run: Run):
    """SIGTERM ends Triton, its stub, the engine below it and the gateway, and no file stays in /dev/shm."""
    run.wait_for_word("READY")
    run.wait_for(lambda: bool(run.own_memory()), "shared memory")
    assert run.stop() == 0
    assert run.left() == []


def test_stop_while_starting_leaves_nothing(run: Run):
    """The same before anything was ready."""
    run.wait_for(lambda: run.pid("stub") > 0, "the start")
    assert run.stop() == 0
    assert run.left() == []


def test_a_killed_triton_is_started_again(run: Run):
    """It says why, ends what the dead one left, and becomes ready again."""
    run.wait_for_word("READY")
    before = run.pids()
    os.kill(before["triton"], signal.SIGKILL)
    run.wait_for_word("Ready again")
    assert "killed by SIGKILL" in run.said
    assert not any(processes.is_alive(before[name]) for name in ("triton", "stub", "engine"))
    assert run.pid("gateway") == before["gateway"]
    assert run.stop() == 0
    assert run.left() == []


def test_triton_is_not_started_again_in_vain(run: Run, folder: Path):
    """Without its GPU a container can only end, so that a new one is made: in a line, not in a circle of starts."""
    run.wait_for_word("READY")
    (folder / "no gpu").touch()
    os.kill(run.pid("triton"), signal.SIGKILL)
    assert run.process.wait(LIMIT_S) == 1
    assert "The GPU has gone." in run.said
    assert run.left() == []


def test_a_dead_stub_restarts_triton(run: Run):
    """Triton does not notice that a model's process died; the supervisor does, and finds the orphaned engine."""
    run.wait_for_word("READY")
    before = run.pids()
    os.kill(before["stub"], signal.SIGKILL)
    run.wait_for_word("Ready again")
    assert "lost the process of" in run.said
    assert not processes.is_alive(before["engine"])


def test_an_unloaded_model_may_end_its_process(run: Run, folder: Path):
    """Triton says that it has unloaded it; nothing is restarted."""
    run.wait_for_word("READY")
    before = run.pids()
    (folder / "last words").write_text(
        f"""I1 model_lifecycle.cc] "successfully unloaded '{folder_of_the_fakes()}' version 1\""""
    )
    os.kill(before["stub"], signal.SIGKILL)
    time.sleep(2.0)  # longer than the supervisor waits for Triton's word
    assert run.pid("triton") == before["triton"]
    assert "lost the process of" not in run.said


def folder_of_the_fakes() -> str:
    """The name of the model, as the path of the stub's file has it."""
    return Path(__file__).parts[-3]


def test_a_model_that_fails_is_named(run: Run):
    """With its reason, while the others serve."""
    run.wait_for_word("READY")
    run.wait_for_word("The model broken is not loaded: it has no weights")


def test_a_dead_reconciler_is_started_again(run: Run):
    """And Triton and the gateway are left alone."""
    run.wait_for_word("READY")
    before = run.pids()
    os.kill(before["reconciler"], signal.SIGKILL)
    run.wait_for(lambda: run.pid("reconciler") != before["reconciler"], "a new reconciler")
    assert (run.pid("triton"), run.pid("gateway")) == (before["triton"], before["gateway"])


def test_a_dead_gateway_is_started_again(run: Run):
    """And Triton, which takes long to load, is left alone."""
    run.wait_for_word("READY")
    before = run.pids()
    os.kill(before["gateway"], signal.SIGKILL)
    run.wait_for(lambda: run.pid("gateway") != before["gateway"], "a new gateway")
    assert run.pid("triton") == before["triton"]


def test_a_stubborn_triton_is_killed(run: Run, folder: Path):
    """Who ignores SIGTERM gets SIGKILL after its grace."""
    run.wait_for_word("READY")
    (folder / "stubborn").touch()
    os.kill(run.pid("triton"), signal.SIGKILL)
    run.wait_for_word("Ready again")
    assert run.stop() == 0
    assert run.left() == []


def test_triton_without_models_is_left_running(folder: Path):
    """A mended model comes up without a restart, so nothing ends and nothing is restarted."""
    (folder / "nothing").touch()
    (folder / "readiness").write_text("503")
    with started(folder) as run:
        run.wait_for_word("no model can be served")
        before = run.pids()
        time.sleep(1.0)
        assert run.pids() == before
        assert run.stop() == 0
        assert run.left() == []


def test_a_first_start_that_fails_ends_the_program(folder: Path):
    """With the log's telling line and a non-zero status, instead of trying for ever."""
    (folder / "refuse").touch()
    ended = subprocess.run(
        [sys.executable, "-m", "tests.gateway.cli.supervise.supervise_fakes", str(folder)],
        cwd=ROOT,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 1
    assert b"no such file" in ended.stderr
    assert b"Fix:" in ended.stderr


def test_a_killed_supervisor_takes_its_programs_along(run: Run):
    """Nobody is left to say goodbye, so the kernel tells them."""
    run.wait_for_word("READY")
    before = run.pids()
    run.process.kill()
    run.wait_for(lambda: not processes.is_alive(before["triton"]), "the end of Triton")
    run.wait_for(lambda: not processes.is_alive(before["gateway"]), "the end of the gateway")
    processes.send([before["stub"], before["engine"]], signal.SIGKILL)
    for path in (*run.own_memory(), *Path("/dev/shm").glob(f"{(run.folder / 'prefix').read_text()}*")):
        path.unlink()
