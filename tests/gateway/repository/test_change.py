"""Twin of gateway/repository/change.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.repository.change import main
from gateway.repository.wanted import read_wanted


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRITON_GATEWAY_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_notes_what_is_wanted(state: Path) -> None:
    """In the folder that the settings name."""
    assert main(["unload", "/models/llm"]) == 0
    assert not read_wanted(state).is_wanted(Path("/models/llm"))
    assert main(["load", "/models/llm"]) == 0
    assert read_wanted(state).is_wanted(Path("/models/llm"))


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As the gateway names it."""
    monkeypatch.setenv("TRITON_GATEWAY_PORT", "many")
    assert main(["load", "/models/llm"]) == 2
    assert capsys.readouterr().err.startswith("TRITON_GATEWAY_PORT (or port in the file): ")


def test_a_state_that_cannot_be_written_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    state.write_text("a file where the folder should be")
    assert main(["load", "/models/llm"]) == 2
    assert str(state) in capsys.readouterr().err
