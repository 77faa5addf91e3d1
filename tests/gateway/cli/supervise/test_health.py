"""Twin of gateway/cli/supervise/health.py."""

import pytest

from gateway.cli.supervise.health import Health, Verdict
from gateway.cli.supervise.readiness import ProbeResult, State

READY = ProbeResult(State.READY)
UNREADY = ProbeResult(State.UNREADY, "no token")
UNREACHABLE = ProbeResult(State.UNREACHABLE, "refused")


@pytest.fixture
def health() -> Health:
    """A run that was started at 0 and became ready at 10."""
    health = Health(0.0)
    assert health.feed(10.0, READY, serving=True) is Verdict.BECAME_READY
    return health


def test_loading_is_not_illness():
    """A model may take minutes to load without being restarted."""
    health = Health(0.0)
    assert {health.feed(float(now), UNREADY, serving=False) for now in range(0, 599)} == {Verdict.NOTHING}
    assert health.feed(600.0, UNREADY, serving=False) is Verdict.RESTART_TRITON


def test_each_model_has_the_whole_time_to_load():
    """Engines that share a GPU start one after the other."""
    health = Health(0.0)
    for now in range(0, 1800):
        assert health.feed(float(now), UNREADY, serving=False, tried=now // 500) is Verdict.NOTHING
    assert health.feed(2099.0, UNREADY, serving=False, tried=3) is Verdict.NOTHING
    assert health.feed(2100.0, UNREADY, serving=False, tried=3) is Verdict.RESTART_TRITON


def test_a_load_that_tells_of_itself_may_take_longer():
    """A download of many gigabytes, say; it is silence that is judged."""
    health = Health(0.0)
    for now in range(0, 3000, 100):
        health.quiet_since = float(now)
        assert health.feed(float(now), UNREADY, serving=False) is Verdict.NOTHING
    assert health.feed(3499.0, UNREADY, serving=False) is Verdict.NOTHING
    assert health.feed(3500.0, UNREADY, serving=False) is Verdict.RESTART_TRITON


def test_an_echo_of_the_last_run_is_not_readiness():
    """The gateway says ready for a while after Triton died; then unready while it loads: both are about the dead one."""
    health = Health(0.0)
    assert health.feed(1.0, READY, serving=False) is Verdict.NOTHING
    assert health.feed(25.0, UNREADY, serving=False) is Verdict.NOTHING
    assert health.feed(60.0, UNREADY, serving=False) is Verdict.NOTHING
    assert health.feed(61.0, UNREADY, serving=True) is Verdict.NOTHING
    assert health.feed(62.0, READY, serving=True) is Verdict.BECAME_READY


def test_no_first_token_is_illness():
    """Models that have loaded and do not answer will not begin to."""
    health = Health(0.0)
    health.feed(40.0, UNREADY, serving=True)
    assert health.feed(159.0, UNREADY, serving=True) is Verdict.NOTHING
    assert health.feed(160.0, UNREADY, serving=True) is Verdict.RESTART_TRITON


def test_a_model_that_is_being_added_is_waited_for():
    """Not for ever: it may be one that can't be read."""
    health = Health(0.0)
    awaiting = ProbeResult(State.READY, awaited=("llm",))
    assert health.feed(10.0, awaiting, serving=True) is Verdict.NOTHING
    assert health.feed(129.0, awaiting, serving=True) is Verdict.NOTHING
    assert health.feed(130.0, awaiting, serving=True) is Verdict.BECAME_READY
    health = Health(0.0)
    health.feed(10.0, awaiting, serving=True)
    assert health.feed(11.0, READY, serving=True) is Verdict.BECAME_READY


def test_becoming_ready_is_told_once(health: Health):
    """The first answer is an event, the others are not."""
    assert health.feed(11.0, READY, serving=True) is Verdict.NOTHING


def test_unready_for_a_while_restarts_triton(health: Health):
    """A minute of unreadiness, on top of the gateway's own thirty, end the run."""
    assert health.feed(20.0, UNREADY, serving=True) is Verdict.NOTHING
    assert health.feed(79.9, UNREADY, serving=True) is Verdict.NOTHING
    assert health.feed(80.0, UNREADY, serving=True) is Verdict.RESTART_TRITON


def test_a_moment_of_unreadiness_is_forgiven(health: Health):
    """An answer in between starts the count again."""
    for now, answer in ((20.0, UNREADY), (30.0, READY), (31.0, UNREADY)):
        health.feed(now, answer, serving=True)
    assert health.feed(45.0, UNREADY, serving=True) is Verdict.NOTHING


def test_a_silent_gateway_is_the_gateways_fault(health: Health):
    """No answer at all restarts the gateway and leaves Triton alone."""
    health.feed(20.0, UNREACHABLE, serving=True)
    assert health.feed(50.0, UNREACHABLE, serving=True) is Verdict.RESTART_GATEWAY
    assert health.feed(51.0, UNREACHABLE, serving=True) is Verdict.NOTHING


def test_a_new_gateway_gets_the_whole_patience(health: Health):
    """What the last gateway failed to say does not count against the next."""
    health.feed(20.0, UNREACHABLE, serving=True)
    health.forget_answers()
    assert health.feed(51.0, UNREACHABLE, serving=True) is Verdict.NOTHING


def test_a_triton_without_models_is_left_alone(health: Health):
    """However long; the time to load begins with the next model."""
    assert {health.feed(float(now), UNREADY, serving=False, idle=True) for now in range(20, 2000)} == {Verdict.NOTHING}
    assert health.feed(2001.0, UNREADY, serving=False) is Verdict.NOTHING
    assert health.feed(2010.0, READY, serving=True) is Verdict.NOTHING
    assert health.feed(2020.0, UNREADY, serving=True) is Verdict.NOTHING
    assert health.feed(2080.0, UNREADY, serving=True) is Verdict.RESTART_TRITON


def test_a_model_that_the_gateway_has_not_seen_yet_is_no_lack_of_models(health: Health):
    """Between Triton's word that it is loaded and the gateway's look nothing is served: that is no news for the operator."""
    unseen = ProbeResult(State.UNREADY, "no model is served", curable=False)
    for now, answer in ((20.0, unseen), (25.0, UNREADY), (26.0, unseen), (35.9, unseen)):
        health.feed(now, answer, serving=True)
        assert not health.waits_for_models
    health.feed(36.0, unseen, serving=True)
    assert health.waits_for_models


def test_a_silent_gateway_is_seen_without_models_too(health: Health):
    """It may still be asked what is wrong."""
    health.feed(20.0, UNREACHABLE, serving=False, idle=True)
    assert health.feed(50.0, UNREACHABLE, serving=False, idle=True) is Verdict.RESTART_GATEWAY


def test_what_a_restart_cannot_mend_restarts_nothing(health: Health):
    """A required model that fails to load fails again; the reason has been told."""
    hopeless = ProbeResult(State.UNREADY, "llm has not answered yet", curable=False)
    assert {health.feed(float(now), hopeless, serving=True) for now in range(20, 2000)} == {Verdict.NOTHING}
    fresh = Health(0.0)
    assert {fresh.feed(float(now), hopeless, serving=True) for now in range(20, 2000)} == {Verdict.NOTHING}
    assert fresh.feed(2001.0, READY, serving=True) is Verdict.BECAME_READY
