"""Twin of gateway/cli/up.py; that it serves is for tests/integration/test_service.py."""

import socket
import threading
from pathlib import Path

import pytest

from gateway.cli import up as module
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.supervise.programs import Addresses
from gateway.cli.up import UpOptions, up
from tests.gateway.cli.gpus import recorded


@pytest.mark.parametrize("name", ["PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT"])
def test_a_port_in_use_stops_it_before_the_set_up(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whichever of the three; it says how to choose another."""
    monkeypatch.setattr(module, "set_up", lambda *_, **__: pytest.fail("the set-up takes minutes"))
    ports = {}
    with socket.create_server(("127.0.0.1", 0)) as server:
        for each in ("PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT"):
            ports[each] = server.getsockname()[1] if each == name else free_port()
        addresses = Addresses("127.0.0.1", *ports.values())
        with pytest.raises(Problem) as caught:
            up(Layout(tmp_path), UpOptions(addresses), threading.Event())
    assert f"{name}=" in caught.value.fix


def test_a_checkout_at_an_odd_path_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a space in the path, all models hung for ten minutes."""
    monkeypatch.setattr(module, "set_up", lambda *_, **__: pytest.fail("the set-up takes minutes"))
    with pytest.raises(Problem, match="The checkout is at"):
        up(Layout(tmp_path / "a b"), UpOptions(Addresses()), threading.Event())


@pytest.mark.parametrize(("cuda", "said"), [(True, "for development"), (False, "")])
def test_gpu_is_looked_at_before_the_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cuda: bool, said: str
):
    """On the GPU, `up` says what this Triton is for; with GPU=0 it says nothing of it."""
    recorded.install(tmp_path, "h100.csv")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def stops(*_: object, **__: object) -> None:
        raise Problem("here", "")

    monkeypatch.setattr(module, "set_up", stops)
    ports = [free_port() for _ in range(3)]
    with pytest.raises(Problem, match="here"):
        up(Layout(tmp_path, cuda=cuda), UpOptions(Addresses("127.0.0.1", *ports)), threading.Event())
    assert (said in capsys.readouterr().out) or not said


def test_old_driver_stops_builds_of_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A ready environment may have builds for an older CUDA: then it is told."""
    recorded.install(tmp_path, "rtx3090_full.csv", "table_535.txt")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "set_up", lambda *_, **__: pytest.fail("the download takes minutes"))
    options = UpOptions(Addresses("127.0.0.1", *(free_port() for _ in range(3))))
    with pytest.raises(Problem, match=r"runs CUDA up to 12\.2"):
        up(Layout(tmp_path, cuda=True), options, threading.Event())
    with pytest.raises(pytest.fail.Exception):
        up(Layout(tmp_path, cuda=True, ready={"pytorch": tmp_path}), options, threading.Event())
    assert "Perhaps: The driver" in capsys.readouterr().out


def test_model_of_the_hub_has_a_repository_of_its_own(tmp_path: Path):
    """Beside one's own and the checkout's."""
    layout = Layout(tmp_path)
    options = UpOptions(Addresses(), repositories=(tmp_path / "mine",), model="owner/Tiny")
    hub = layout.hub_models / "owner--Tiny"
    assert options.all_repositories(layout) == [tmp_path / "mine", hub, layout.model_repository]


def test_model_of_the_hub_is_had_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If it can't be, nothing starts."""
    asked: list[tuple[str, bool]] = []

    def prepare(_: Layout, model: str, __: threading.Event, *, demonstration: bool) -> None:
        asked.append((model, demonstration))
        raise Problem("too small", "")

    monkeypatch.setattr(module, "set_up", lambda *_, **__: None)
    monkeypatch.setattr(module, "run_stack", lambda *_: pytest.fail("it started"))
    monkeypatch.setattr("gateway.cli.hub_model.prepare", prepare)
    (tmp_path / ".cache").mkdir()
    addresses = Addresses("127.0.0.1", *(free_port() for _ in range(3)))
    with pytest.raises(Problem, match="too small"):
        up(Layout(tmp_path), UpOptions(addresses, model="owner/Tiny", demonstration=False), threading.Event())
    assert asked == [("owner/Tiny", False)]


def free_port() -> int:
    """One that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
