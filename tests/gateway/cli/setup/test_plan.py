"""Twin of gateway/cli/setup/plan.py."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.errors import Problem, Stopped
from gateway.cli.layout import Layout, find_layout
from gateway.cli.setup import checks, plan
from gateway.cli.setup.environments import Environments
from gateway.cli.setup.lock import in_use


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


def test_a_ready_environment_is_linked_and_not_made(tmp_path: Path):
    """It takes no space."""
    layout = replace(find_layout(), ready={"vllm_custom": tmp_path})
    (step,) = [step for step in plan.steps(layout, threading.Event()) if step.name == "vllm_custom"]
    assert (step.size_gb, step.heavy, step.is_done()) == (0.0, False, False)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """An empty checkout on a machine that has everything, with a pip that is never asked."""
    monkeypatch.setattr(checks, "machine", list)
    monkeypatch.setattr(Environments, "installer", lambda _: None)
    return Layout(tmp_path)


def two_lanes(monkeypatch: pytest.MonkeyPatch, heavy: Callable[[], None], light: Callable[[], None]) -> None:
    """A plan of one heavy step and one that runs beside it, neither of which is done."""
    steps = [
        plan.Step("heavy", 0.0, lambda: False, lambda _: heavy(), heavy=True),
        plan.Step("light", 0.0, lambda: False, lambda _: light()),
    ]
    monkeypatch.setattr(plan, "steps", lambda *_, **__: steps)


def test_lanes_run_side_by_side(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """Each waits for the other, so that one after the other would never end."""
    meeting = threading.Barrier(2, timeout=10)
    two_lanes(monkeypatch, lambda: meeting.wait() and None, lambda: meeting.wait() and None)
    plan.set_up(layout, threading.Event())
    assert not meeting.broken


def test_a_failing_lane_stops_the_other_and_is_what_is_told(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """The other lane's Stopped is a consequence and not the reason."""
    stop = threading.Event()

    def waits() -> None:
        assert stop.wait(10)
        raise Stopped

    def fails() -> None:
        raise Problem("no disk", "buy one")

    two_lanes(monkeypatch, waits, fails)
    with pytest.raises(Problem, match="no disk"):
        plan.set_up(layout, stop)


def test_an_unexpected_failure_stops_the_other_lane_too(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """Nothing goes on in the background after an error message."""
    stop = threading.Event()

    def waits() -> None:
        assert stop.wait(10)
        raise Stopped

    def fails() -> None:
        raise ZeroDivisionError

    two_lanes(monkeypatch, fails, waits)
    with pytest.raises(ZeroDivisionError):
        plan.set_up(layout, stop)


def test_what_is_done_is_not_made_again(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """Nor is anything said."""

    def fails(_: object) -> None:
        raise AssertionError("it is done")

    monkeypatch.setattr(plan, "steps", lambda *_, **__: [plan.Step("done", 9.0, lambda: True, fails)])
    plan.set_up(layout, threading.Event())


def test_what_is_served_from_is_not_replaced(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """What only the checks need may be made meanwhile."""
    made: list[str] = []
    extra = plan.Step("dev", 0.0, lambda: False, lambda _: made.append("dev"), for_serving=False)
    serving = plan.Step("triton", 0.0, lambda: False, lambda _: made.append("triton"))
    monkeypatch.setattr(plan, "steps", lambda *_, **__: [extra, serving])
    with in_use(layout.use_lock):
        with pytest.raises(Problem, match="triton must be made anew"):
            plan.set_up(layout, threading.Event())
        plan.set_up(layout, threading.Event(), ["dev"], for_serving=False)
    assert made == ["dev"]


def test_a_full_disk_is_told_before_the_work(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """Which takes minutes."""
    step = plan.Step("triton", 1e9, lambda: False, lambda _: None)
    monkeypatch.setattr(plan, "steps", lambda *_, **__: [step])
    with pytest.raises(Problem):
        plan.set_up(layout, threading.Event())
