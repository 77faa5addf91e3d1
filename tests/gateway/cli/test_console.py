"""Twin of gateway/cli/console.py."""

import os
import subprocess
import sys

import pytest

from gateway.cli import console
from gateway.cli.console import Progress, Throttle, complain, say


def test_what_is_said_and_what_is_wrong_go_apart(capsys: pytest.CaptureFixture[str]):
    """A line each, on the stream where it belongs."""
    say("going on")
    complain("broken")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("going on\n", "broken\n")


def test_a_line_comes_through_now_and_then():
    """None in the first interval, and then one in each, which is taken by asking."""
    times = (0.0, 9.9, 10.0, 10.1, 19.9, 20.0, 55.0, 64.9, 65.0)
    clock = iter((0.0, *times))  # it is read once when it begins, and once at each asking
    throttle = Throttle(10.0, clock=lambda: next(clock))
    assert [now for now in times if throttle.due()] == [10.0, 20.0, 55.0, 65.0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_output_ends_the_program(encoding: str):
    """What a stream can't show is a question mark."""
    program = "from gateway.cli.console import *; show_any_text(); say('x … y')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout
    assert said.decode(encoding) == ("x … y\n" if encoding == "utf-8" else "x ? y\n")


def test_a_log_gets_a_line_a_step(capsys: pytest.CaptureFixture[str]):
    """Without the detail, however often it is told."""
    progress = Progress(0.0)
    for step, detail in [("loading a", "1 s"), ("loading a", "2 s"), ("waiting", "3 s"), ("waiting", "4 s")]:
        progress.tell(step, detail)
    assert capsys.readouterr().out == "  loading a\n  waiting\n"


def test_a_terminal_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """With the detail."""
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    progress = Progress(0.0)
    progress.tell("loading a", "1 s")
    progress.tell("loading a", "2 s")
    assert capsys.readouterr().out == "  loading a 1 s\n  loading a 2 s\n"
