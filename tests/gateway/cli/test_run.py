"""Twin of gateway/cli/run.py; that it serves is for `make compose-test`."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli import run as module
from gateway.cli.errors import Problem
from gateway.cli.installation import Installation
from gateway.cli.layout import Layout
from gateway.cli.run import RunOptions, lost_gpu, run
from gateway.cli.stack import StackOptions
from gateway.cli.supervise.programs import Addresses
from tests.gateway.cli.gpus import recorded

UNKNOWN_ERROR = "unknown_error.txt"
Started = list[tuple[Installation, StackOptions]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """What would have been started, without starting it; state in a folder of the test's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    seen: Started = []
    monkeypatch.setattr(module, "run_stack", lambda _, installation, options, __: seen.append((installation, options)))
    return seen


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    """An image with an empty repository, and the demonstration."""
    server = tmp_path / "tritonserver"
    server.touch()
    (tmp_path / "models").mkdir()
    for name in ("assets", "moderation"):
        (tmp_path / "demonstration" / name / "1").mkdir(parents=True)
    return RunOptions(
        Addresses(), (tmp_path / "models",), tritonserver=server, demonstration=tmp_path / "demonstration"
    )


def start(options: RunOptions) -> None:
    run(Layout(Path("/opt/site-packages")), options, threading.Event())


def add_model(repository: Path, name: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text('backend: "vllm_custom"')


def test_empty_repository_gets_the_demonstration(
    started: Started, options: RunOptions, capsys: pytest.CaptureFixture[str]
):
    """And a word about it."""
    start(options)
    [(_, stack)] = started
    assert stack.repositories == (*options.repositories, options.demonstration)
    assert "serving the demonstration models" in capsys.readouterr().out


def test_ones_own_models_are_served_without_it(started: Started, options: RunOptions):
    """But for `assets`, which the gateway reads files through; a folder that is no model counts for nothing."""
    add_model(options.repositories[0], "llama")
    (options.repositories[0] / "lost+found").mkdir()
    start(options)
    [(installation, stack)] = started
    [own, assets] = stack.repositories
    assert own == options.repositories[0]
    assert assets.is_relative_to(installation.folder)
    assert [path.name for path in assets.iterdir()] == ["assets"]


def test_assets_of_ones_own_are_not_doubled(started: Started, options: RunOptions):
    """Two folders of one name would both be refused."""
    add_model(options.repositories[0], "assets")
    start(options)
    assert started[0][1].repositories == options.repositories


def no_server(options: RunOptions) -> RunOptions:
    return replace(options, tritonserver=Path("/nowhere/tritonserver"))


def no_folder(options: RunOptions) -> RunOptions:
    return replace(options, repositories=(Path("/nowhere"),))


@pytest.mark.parametrize(("broken", "word"), [(no_server, "no tritonserver"), (no_folder, "/nowhere is no folder")])
def test_what_is_missing_is_named(
    started: Started, options: RunOptions, broken: Callable[[RunOptions], RunOptions], word: str
):
    """Before anything starts."""
    with pytest.raises(Problem, match=word):
        start(broken(options))
    assert not started


def test_container_without_its_gpu_does_not_start(
    started: Started, options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A GPU that was not given, and one that has gone: each in a sentence."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"no GPU|GPU driver"):
        start(replace(options, cuda=True))
    recorded.install(tmp_path, UNKNOWN_ERROR)
    with pytest.raises(Problem, match="has lost its access to the GPU"):
        start(replace(options, cuda=True))
    assert not started


def test_gpu_is_asked_for_before_each_start_of_triton(
    started: Started, options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Builds for the CPU don't ask."""
    recorded.install(tmp_path, "h100.csv")
    monkeypatch.setenv("PATH", str(tmp_path))
    start(replace(options, cuda=True))
    start(options)
    [with_gpu, without] = [stack.find_obstacle for _, stack in started]
    assert with_gpu is lost_gpu
    assert with_gpu() is None
    recorded.install(tmp_path, UNKNOWN_ERROR)
    assert with_gpu() is not None
    assert without() is None
