"""Twin of gateway/cli/supervise/service.py, over real programs."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.cli.supervise import processes
from gateway.cli.supervise.logfile import LogFile
from gateway.cli.supervise.service import Program, Service, describe_exit

LIMIT_S = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def services() -> Generator[list[Service], None, None]:
    """Those that a test has started; ended after it."""
    services: list[Service] = []
    yield services
    for service in services:
        service.stop(0.0)


def started(services: list[Service], folder: Path, script: str, grace_s: float = 5.0) -> Service:
    """A shell that does as it is told."""
    program = Program("toy", ["sh", "-c", script], os.environ, folder, grace_s)
    service = Service(program, LogFile(folder / "toy.log"))
    services.append(service)
    service.start(3.0)
    return service


def gone(service: Service) -> bool:
    """Whether the program has ended by itself in time."""
    return processes.wait_until_gone(lambda: [] if service.exit_reason() else [1], LIMIT_S)


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-9, "killed by SIGKILL"), (-15, "killed by SIGTERM")],
)
def test_an_exit_is_told_in_words(status: int, words: str):
    """As a person would."""
    assert describe_exit(status) == words


def test_a_program_that_ends_says_why(services: list[Service], folder: Path):
    """While it runs, and before it was started, there is nothing to say; what it wrote is in its log."""
    service = started(services, folder, "echo said; exit 3")
    assert service.started == 3.0
    assert gone(service)
    assert service.exit_reason() == "exit status 3"
    assert "said" in (folder / "toy.log").read_text()
    service.stop()
    assert service.exit_reason() is None
    assert service.members() == []


def test_a_stop_ends_all_of_it(services: list[Service], folder: Path):
    """The program by SIGTERM, and what it has started with it."""
    service = started(services, folder, f"sleep 60 & echo $! > {folder}/child; wait")
    child = folder / "child"
    assert processes.wait_until_gone(lambda: [] if child.exists() and child.read_text() else [1], LIMIT_S)
    pid = int(child.read_text())
    assert pid in service.members()
    service.stop()
    assert not processes.is_alive(pid)
    assert service.process is None


def test_a_stubborn_program_is_killed(services: list[Service], folder: Path):
    """After the grace that it was given."""
    service = started(services, folder, f"trap '' TERM; touch {folder}/ready; while :; do sleep 0.05; done")
    assert processes.wait_until_gone(lambda: [] if (folder / "ready").exists() else [1], LIMIT_S)
    process = service.process
    assert process is not None
    service.stop(0.1)
    assert process.returncode == -signal.SIGKILL


def test_what_was_not_started_is_stopped_already(folder: Path):
    """And has no members."""
    service = Service(Program("toy", ["true"], os.environ, folder, 1.0), LogFile(folder / "toy.log"))
    service.stop()
    assert (service.exit_reason(), service.members()) == (None, [])
