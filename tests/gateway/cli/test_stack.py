"""Twin of gateway/cli/stack.py; that it serves is for tests/integration/test_service.py."""

import threading
from pathlib import Path

import pytest

from gateway.cli import stack as module
from gateway.cli.errors import Problem
from gateway.cli.installation import of_checkout
from gateway.cli.layout import Layout
from gateway.cli.ready import started_mark
from gateway.cli.stack import StackOptions, run_stack
from gateway.cli.supervise.endpoint import read_published
from gateway.cli.supervise.programs import Addresses
from gateway.cli.supervise.service import Service
from gateway.cli.supervise.supervisor import Hooks


@pytest.mark.parametrize(("port", "target"), [(None, "unix:"), (9001, "127.0.0.1:9001")])
def test_run_can_be_found_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int | None, target: str):
    """By `load`, `models` and health checks; also where it ends in a failure."""
    layout = Layout(tmp_path)
    installation = of_checkout(layout, tmp_path / "state")
    monkeypatch.setattr(module, "announce", lambda *_: None)

    class Fails:
        """In the place of the supervisor: becomes ready, and fails."""

        def __init__(self, *parts: Service | Hooks | threading.Event) -> None:
            [self.hooks] = [part for part in parts if isinstance(part, Hooks)]

        def run(self) -> None:
            running = read_published(installation.running)
            assert running is not None
            assert running.settings["TRITON_GATEWAY_TRITON_URLS"].startswith(target)
            assert running.settings["TRITON_GATEWAY_STATE_DIR"] == str(tmp_path / "state")
            assert not started_mark(installation.running).exists()
            self.hooks.on_first_ready()
            assert started_mark(installation.running).exists()
            raise Problem("it fails", "")

    monkeypatch.setattr(module, "Supervisor", Fails)
    options = StackOptions(Addresses(triton_grpc_port=port), (tmp_path,), started=0.0)
    with pytest.raises(Problem, match="it fails"):
        run_stack(layout, installation, options, threading.Event())
    assert not installation.running.exists()
    assert not started_mark(installation.running).exists()
