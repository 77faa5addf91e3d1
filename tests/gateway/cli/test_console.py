"""Twin of gateway/cli/console.py."""

import pytest

from gateway.cli.console import Throttle, complain, say


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
