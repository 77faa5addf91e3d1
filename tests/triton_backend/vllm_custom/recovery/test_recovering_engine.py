"""An engine that fails is noticed, its requests are told, and it is replaced."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from vllm_custom.configuration.settings import Settings
from vllm_custom.engine.interface import Vitals
from vllm_custom.errors import Unavailable
from vllm_custom.recovery.recovering_engine import EngineState, RecoveringEngine

from tests.triton_backend.vllm_custom.conftest import thread_names

FAST = {"check_seconds": 0.001, "backoff_seconds": 0.001, "max_backoff_seconds": 0.002}


class FakeEngine:
    """An engine that dies when told to, and may refuse to start."""

    def __init__(self, *, fails_to_start=False):
        self.alive, self.steps, self.unfinished = True, 0, 0
        self.fails_to_start = fails_to_start
        self.started, self.stopped = threading.Event(), threading.Event()
        self.starting = threading.Event()
        self.submitted = []
        self.adapters = None
        self.hold = threading.Event()
        self.hold.set()

    def start(self):
        self.starting.set()
        assert self.hold.wait(10)
        if self.fails_to_start or self.stopped.is_set():
            raise RuntimeError("no GPU left")
        self.started.set()
        return "facts"

    def submit(self, request, sink):
        self.submitted.append(request)

    def submit_for_result(self, request, sink):
        self.submitted.append(request)

    def loras(self):
        return self.adapters

    def abort(self, rid):
        self.submitted.remove(rid)

    def stats(self):
        return {"engine": "fake"}

    def vitals(self):
        return Vitals(self.alive, self.steps, self.unfinished)

    def processor_seconds(self):
        return 0.0

    def control(self, op, options):
        return Future()

    def stop(self, timeout):
        self.hold.set()
        self.stopped.set()


class Stage:
    """A RecoveringEngine over these engines, one after the other, and what it tells."""

    def __init__(self, *engines, **settings):
        self.engines = list(engines)
        self.failures, self.left = [], []
        self.failed, self.exited = threading.Event(), threading.Event()
        waiting = iter(self.engines)
        # For each engine made: whether those before it had been stopped by then.
        self.made_after = []

        def make():
            before = self.engines[: len(self.made_after)]
            self.made_after.append([engine.stopped.is_set() for engine in before])
            return next(waiting)

        self.engine = RecoveringEngine(
            make, Settings(**{**FAST, **settings}), on_stopped=lambda: self.left.append(True)
        )
        self.engine.on_failure = lambda failure: (
            self.failures.append((failure, self.engine.state, [e.stopped.is_set() for e in self.engines])),
            self.failed.set(),
        )
        self.engine.on_exit = self.exited.set


@pytest.fixture
def stage():
    stages = []

    def staged(*engines, **settings):
        stages.append(Stage(*engines, **settings))
        assert stages[-1].engine.start() == "facts"
        return stages[-1]

    yield staged
    for each in stages:
        each.engine.stop(5)
    assert "health" not in thread_names()


def until(condition):
    """Ends by the test's own time limit when it never comes."""
    while not condition():
        pass


def test_dead_engine_is_replaced(stage):
    """Requests are told while the door is shut and before the engine is stopped; then another one serves."""
    first, second = FakeEngine(), FakeEngine()
    play = stage(first, second)
    first.alive = False
    assert second.started.wait(10)
    until(lambda: play.engine.state is EngineState.SERVING)
    ((failure, state, stopped),) = play.failures
    assert (failure.type, state, stopped) == ("unavailable", EngineState.FAILED, [False, False])
    assert first.stopped.is_set()
    play.engine.submit("request", None)
    assert (first.submitted, second.submitted) == ([], ["request"])
    assert play.engine.health() == {"state": "serving", "reason": None, "restarts": 1}
    assert not play.exited.is_set()


def test_death_shows_before_the_watch_has_seen_it(stage):
    """Between two looks a dead engine is not ready already, and says why."""
    only = FakeEngine()
    play = stage(only, check_seconds=5.0)
    only.alive = False
    assert not play.engine.vitals().alive
    assert play.engine.health() == {"state": "serving", "reason": "the engine has died", "restarts": 0}


def test_wedged_engine_is_replaced(stage):
    """An engine with requests and without steps is stopped and replaced, although it says that it lives."""
    first, second = FakeEngine(), FakeEngine()
    play = stage(first, second, stall_seconds=0.02)
    first.unfinished = 1
    assert second.started.wait(10)
    assert "no step" in play.failures[0][0].message


def test_nothing_is_let_in_while_no_engine_serves(stage):
    """Between two engines a request is refused with the reason, and nobody is asked for an abort."""
    first, second = FakeEngine(), FakeEngine()
    second.hold.clear()
    play = stage(first, second)
    first.alive = False
    assert second.starting.wait(10)
    with pytest.raises(Unavailable, match="died"):
        play.engine.submit("request", None)
    with pytest.raises(Unavailable, match="died"):
        play.engine.control("sleep", {})
    play.engine.abort("anything")
    assert not play.engine.vitals().alive
    assert play.engine.stats()["state"] == "starting"
    second.hold.set()
    until(lambda: play.engine.vitals().alive)


def test_engine_that_does_not_start_again_is_tried_again(stage):
    """A failed attempt is stopped and followed by another; none is made while a part of another may hold its devices."""
    engines = [FakeEngine(), FakeEngine(fails_to_start=True), FakeEngine(fails_to_start=True), FakeEngine()]
    play = stage(*engines)
    engines[0].alive = False
    assert engines[3].started.wait(10)
    until(lambda: play.engine.state is EngineState.SERVING)
    assert [engine.stopped.is_set() for engine in engines] == [True, True, True, False]
    assert play.made_after == [[], [True], [True, True], [True, True, True]]
    assert play.engine.health()["restarts"] == 3
    assert len(play.failures) == 1


def test_process_ends_when_the_attempts_are_used_up(stage):
    """After `max_restarts` attempts in vain the process ends, so that somebody outside can do something."""
    engines = [FakeEngine(), *(FakeEngine(fails_to_start=True) for _ in range(2))]
    play = stage(*engines, max_restarts=2)
    engines[0].alive = False
    assert play.exited.wait(10)
    assert all(engine.stopped.is_set() for engine in engines)


def test_exit_policy_ends_the_process_after_telling(stage):
    """With `exit` the requests are told, the engine's processes are ended, and then this one."""
    only = FakeEngine()
    play = stage(only, on_failure="exit")
    only.alive = False
    assert play.exited.wait(10)
    assert len(play.failures) == 1
    assert only.stopped.is_set()


def test_stay_policy_leaves_it_at_the_errors(stage):
    """With `stay` requests fail and are refused from then on, and that is all."""
    only = FakeEngine()
    play = stage(only, on_failure="stay")
    only.alive = False
    assert play.failed.wait(10)
    until(lambda: "health" not in thread_names())
    assert not only.stopped.is_set()
    assert not play.exited.is_set()
    with pytest.raises(Unavailable):
        play.engine.submit("request", None)


@pytest.mark.parametrize("during", ["pause", "start"])
def test_end_during_a_restart_leaves_nothing(stage, during):
    """A stop in the pause, or while an engine is being started, ends the restart and leaves once."""
    first, second = FakeEngine(), FakeEngine()
    second.hold.clear()
    slow = {"backoff_seconds": 3600.0, "max_backoff_seconds": 3600.0} if during == "pause" else {}
    play = stage(first, second, **slow)
    first.alive = False
    assert (first.stopped if during == "pause" else second.starting).wait(10)
    play.engine.stop(10)
    assert play.engine.state is EngineState.STOPPED
    assert play.left == [True]
    assert not play.exited.is_set()
    assert not second.started.is_set()
    play.left.clear()


def test_failed_first_start_is_the_callers(stage):
    """What is wrong at the first start is raised, and the stop that follows leaves."""
    play = Stage(FakeEngine(fails_to_start=True))
    with pytest.raises(RuntimeError, match="GPU"):
        play.engine.start()
    play.engine.stop(5)
    assert play.left == [True]


def test_requests_and_adapters_reach_the_engine_that_serves(stage):
    """Adapters are named while no engine serves too: they belong to the model, and the next engine is given them."""
    first, second = FakeEngine(), FakeEngine()
    first.adapters = second.adapters = ["poet"]
    second.hold.clear()
    play = stage(first, second)
    play.engine.submit_for_result("first", None)
    assert first.submitted == ["first"]
    assert play.engine.loras() == ["poet"]
    first.alive = False
    assert second.starting.wait(10)
    assert play.engine.loras() == ["poet"]
    with pytest.raises(Unavailable):
        play.engine.submit_for_result("first", None)
    second.hold.set()
    until(lambda: play.engine.state is EngineState.SERVING)
    play.engine.submit_for_result("second", None)
    assert second.submitted == ["second"]


def test_engine_without_adapters_has_none_while_it_fails(stage):
    """None, not an empty list: nothing can be loaded."""
    first = FakeEngine()
    play = stage(first, on_failure="stay")
    first.alive = False
    assert play.failed.wait(10)
    assert play.engine.loras() is None
