"""Twin of gateway/repository/__main__.py: the program itself, before a Triton at the wire."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.repository.__main__ import main
from tests.fakes.triton import FakeTriton

ROOT = Path(__file__).resolve().parents[3]


def test_it_loads_reports_and_ends(tmp_path: Path) -> None:
    """A line for each thing it does, whatever the names and the locale; SIGTERM ends it."""
    (tmp_path / "repository" / "toy" / "1").mkdir(parents=True)
    (tmp_path / "repository" / "bad" / "1").mkdir(parents=True)
    os.mkdir(os.fsencode(tmp_path / "repository") + b"/of\ntwo lines \xe8")
    with FakeTriton() as triton:
        triton.ready, triton.unloadable = [], {"bad": "version 1 is at UNAVAILABLE state: no weights;"}
        environment = {
            **os.environ,
            "TRITON_GATEWAY_TRITON_URLS": triton.address,
            "TRITON_GATEWAY_STATE_DIR": str(tmp_path / "state"),
            "PYTHONIOENCODING": "ascii",
        }
        command = [sys.executable, "-m", "gateway.repository", str(tmp_path / "repository")]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(6)]
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert lines[0].startswith("refused of two lines \\udce8: ")
        assert sorted(lines[1:5]) == ["failed bad: no weights", "loaded toy", "loading bad", "loading toy"]
        assert lines[5] == "done: 1 of 3 models are loaded"
        assert "toy" in triton.ready


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As the gateway names it, and before Triton is asked."""
    monkeypatch.setenv("TRITON_GATEWAY_PORT", "many")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("TRITON_GATEWAY_PORT (or port in the file): ")
