"""Twin of gateway/cli/doctor.py."""

import socket
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from gateway.cli import doctor
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import checks
from gateway.cli.setup.lock import in_use
from gateway.cli.supervise.endpoint import Running, published
from gateway.cli.supervise.programs import Addresses
from tests.fakes.answers import Answers, answering
from tests.gateway.cli.gpus import recorded


@pytest.fixture
def server() -> Generator[int, None, None]:
    """The port of something that speaks HTTP."""
    with answering() as port:
        yield port


def findings(port: int, folder: Path) -> list[str]:
    """What is said of what runs there."""
    found = doctor.running(Addresses(port=port), Layout(folder))
    return [f"WRONG {each}" if isinstance(each, Problem) else each for each in found]


def test_nothing_running_is_in_order(tmp_path: Path):
    """It says how to start it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert findings(port, tmp_path)[-1] == f"nothing runs on 127.0.0.1:{port}; make up starts it"


def test_another_program_on_the_port_is_wrong(server: int, tmp_path: Path):
    """It says which, and the way out."""
    last = findings(server, tmp_path)[-1]
    assert last.startswith("WRONG")
    assert "not this gateway: process" in last


def test_a_gateway_that_is_not_ready_says_why(server: int, tmp_path: Path):
    """In the words of its own report."""
    report = b'{"models": {"m": {"ready": false, "state": "not_ready", "last_success_s_ago": 42.0}}}'
    Answers.by_path = {"/livez": (200, b"{}"), "/readyz": (503, report)}
    last = findings(server, tmp_path)[-1]
    assert last.startswith("WRONG")
    assert "m has not answered for 42 s" in last


def test_a_ready_gateway_is_in_order(server: int, tmp_path: Path):
    """Nothing to do."""
    Answers.by_path = {"/livez": (200, b"{}"), "/readyz": (200, b"{}")}
    assert "is ready" in findings(server, tmp_path)[-1]


def words(found: Iterable[doctor.Finding]) -> str:
    return "\n".join(map(str, found))


def test_memory_that_the_running_stack_has_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is judged before a start, and would be too little during the run."""
    too_little = Problem("Too little memory", "end other programs")
    monkeypatch.setattr(checks, "memory", lambda: too_little)
    layout = Layout(tmp_path)
    assert too_little in doctor.machine(layout)
    with in_use(layout.use_lock):
        assert "are not judged" in words(doctor.machine(layout))
        assert too_little not in doctor.machine(layout)


def test_a_checkout_at_an_odd_path_is_wrong(tmp_path: Path):
    """Its models would never load."""
    assert "The checkout is at" in words(doctor.machine(Layout(tmp_path / "a b")))


def test_memory_that_the_running_stack_has_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The GPU is full because it serves."""
    recorded.install(tmp_path, "rtx3090_full.csv")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    layout = Layout(tmp_path, cuda=True)
    (layout.model_repository / "big" / "1").mkdir(parents=True)
    (layout.model_repository / "big" / "1" / "model.json").write_text('{"model": "org/name"}')
    assert any(isinstance(each, Problem) for each in doctor.gpus(layout))
    with in_use(layout.use_lock):
        assert not any(isinstance(each, Problem) for each in doctor.gpus(layout))


def test_gpu_is_judged_for_the_models_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They may lie in other repositories than the checkout's."""
    recorded.install(tmp_path, "t4_and_p4.csv")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    layout = Layout(tmp_path, cuda=True)
    (tmp_path / "own" / "theirs" / "1").mkdir(parents=True)
    (tmp_path / "own" / "theirs" / "1" / "model.json").write_text('{"model": "org/name", "dtype": "bfloat16"}')
    assert "theirs" not in words(doctor.gpus(layout))
    with published(layout.running, Running({}, (str(tmp_path / "own"),))), in_use(layout.use_lock):
        assert "theirs: dtype bfloat16 needs compute capability 8.0" in words(doctor.gpus(layout))


def test_a_fresh_checkout_lacks_everything(tmp_path: Path):
    """And one command makes it."""
    layout = Layout(tmp_path)
    layout.requirements.mkdir()
    for name in ("gateway", "vllm_custom", "pytorch", "prepare"):
        for minor in ("311", "312"):
            (layout.requirements / f"{name}-py{minor}.txt").write_text("")
    (layout.requirements / "triton.txt").write_text("")
    layout.prepare_scripts.mkdir(parents=True)
    (problem,) = doctor.set_up(layout)
    assert isinstance(problem, Problem)
    assert "vllm_custom, gateway, triton" in problem.what
    assert "make up" in problem.fix
