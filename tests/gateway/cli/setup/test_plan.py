"""Twin of gateway/cli/setup/plan.py."""

import threading

import pytest

from gateway.cli.errors import Problem, Stopped
from gateway.cli.layout import find_layout
from gateway.cli.setup import plan


def test_everything_that_serving_needs_is_a_step():
    """Three environments, Triton, and the weights of three models."""
    names = {step.name for step in plan.steps(find_layout(), threading.Event())}
    assert names >= {"gateway", "vllm_custom", "pytorch", "triton", "backends", "smollm2-135m-instruct", "moderation"}
    assert not names & {"dev", "testtools"}


def test_what_the_checks_need_is_made_on_demand():
    """And may be remade while something is served."""
    extras = [step for step in plan.steps(find_layout(), threading.Event(), plan.EXTRAS) if step.name in plan.EXTRAS]
    assert {step.name for step in extras} == set(plan.EXTRAS)
    assert not any(step.for_serving for step in extras)


def test_a_failing_lane_stops_the_other_and_is_what_is_told():
    """The other lane's Stopped is a consequence and not the reason."""
    stop = threading.Event()

    def waits() -> None:
        assert stop.wait(10)
        raise Stopped

    def fails() -> None:
        raise Problem("no disk", "buy one")

    with pytest.raises(Problem, match="no disk"):
        plan._in_lanes([waits, fails], stop)  # pyright: ignore[reportPrivateUsage]


def test_an_unexpected_failure_stops_the_other_lane_too():
    """Nothing goes on in the background after an error message."""
    stop = threading.Event()

    def waits() -> None:
        assert stop.wait(10)
        raise Stopped

    with pytest.raises(ZeroDivisionError):
        plan._in_lanes([waits, lambda: 1 // 0], stop)  # type: ignore[list-item]
