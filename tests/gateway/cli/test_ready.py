"""Twin of gateway/cli/ready.py."""

from pathlib import Path

import pytest

from gateway.cli import ready as module
from gateway.cli.layout import Layout
from gateway.cli.ready import ready, started_mark
from gateway.cli.supervise.readiness import ProbeResult, State


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Of an image, whose state is in a folder of the test's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout = Layout(Path("/opt/site-packages"))
    layout.running.parent.mkdir()
    return layout


def answering(monkeypatch: pytest.MonkeyPatch, state: State, reason: str = "") -> None:
    monkeypatch.setattr(module.readiness, "ask", lambda *_: ProbeResult(state, reason))


def test_gateway_alone_is_asked(layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """And its reason is told."""
    answering(monkeypatch, State.READY)
    assert ready(layout, "127.0.0.1", 8000)
    answering(monkeypatch, State.UNREADY, "m has not answered yet")
    assert not ready(layout, "127.0.0.1", 8000)
    assert capsys.readouterr().out == "unready: m has not answered yet\n"


def test_beside_triton_all_models_have_been_tried_first(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """A small model answers long before a large one has loaded."""
    answering(monkeypatch, State.READY)
    layout.running.touch()
    assert not ready(layout, "127.0.0.1", 8000)
    started_mark(layout.running).touch()
    assert ready(layout, "127.0.0.1", 8000)
