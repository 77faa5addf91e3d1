"""Twin of gateway/cli/errors.py."""

from gateway.cli.errors import CliError, Problem, Stopped


def test_a_problem_comes_with_its_fix():
    """Further lines of the fix stand below its first."""
    problem = Problem("The disk is full.", "make room\nor use another disk")
    assert str(problem) == "The disk is full.\n  Fix: make room\n       or use another disk"
    assert (problem.what, problem.fix) == ("The disk is full.", "make room\nor use another disk")


def test_both_end_the_command():
    """To stop is no problem."""
    assert isinstance(Problem("a", "b"), CliError)
    assert isinstance(Stopped(), CliError)
    assert not isinstance(Stopped(), Problem)
