"""Dead, wedged, or just slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.engine.interface import Vitals
from vllm_custom.recovery.diagnosis import GAP, StallDetector

STALL, WEDGE = 60.0, 600.0


def verdict(looks, processor):
    """The time of the first complaint over (seconds, steps, unfinished), one look a second; `processor(now)` is used."""
    pulse = StallDetector(STALL, WEDGE)
    for now, steps, unfinished in looks:
        if pulse.check(Vitals(True, steps, unfinished), now, lambda now=now: processor(now)) is not None:
            return now
    return None


def silence(seconds, unfinished=1):
    return [(float(now), 7, unfinished) for now in range(seconds)]


def test_dead_engine_is_dead_at_once():
    """What an engine says of its own death needs no second look."""
    assert StallDetector(STALL, WEDGE).check(Vitals(False, 0, 0), 0.0, lambda: 0.0) == "the engine has died"


def test_idle_processes_with_requests_are_a_wedge():
    """Stopped processes use no processor: the verdict comes soon after `stall_seconds`, not before."""
    assert STALL * 0.9 <= verdict(silence(200), lambda now: 5.0) <= STALL * 1.2


def test_long_prefill_on_a_slow_processor_is_no_wedge():
    """One step of nine minutes that computes all the while is let live."""
    assert verdict(silence(540), lambda now: now * 1.9) is None


def test_endless_step_is_a_wedge_whatever_it_uses():
    """Processes that spin for ever are found after `wedge_seconds`."""
    assert WEDGE <= verdict(silence(700), lambda now: now * 2) <= WEDGE + 2


def test_without_requests_nothing_is_expected():
    """An engine that has nothing to do may be as silent as it likes, and is not even measured."""

    def measured(now):
        raise AssertionError("measured without suspicion")

    assert verdict(silence(2000, unfinished=0), measured) is None


def test_first_request_after_a_long_silence_has_its_time():
    """The time without requests does not count against the first one."""
    looks = [*silence(1000, unfinished=0), *[(1000.0 + n, 7, 1) for n in range(30)]]
    assert verdict(looks, lambda now: 0.0) is None


def test_steps_keep_it_alive():
    """An engine that finishes a step now and then is never wedged, idle or not."""
    assert verdict([(float(now), now // 50, 1) for now in range(3000)], lambda now: 0.0) is None


def test_machine_that_stood_still_is_forgiven():
    """After a pause of everything the engine gets its whole time again."""
    looks = [(0.0, 7, 1), (1.0, 7, 1), (1000.0, 7, 1), *[(1000.0 + n, 7, 1) for n in range(30)]]
    assert looks[2][0] - looks[1][0] > GAP
    assert verdict(looks, lambda now: 0.0) is None


def test_ended_process_is_a_sign_of_life():
    """Used time that shrinks, because a process has ended, restarts the measurement."""
    assert verdict(silence(80), lambda now: 100.0 if now < 30 else 1.0) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=300))
def test_no_verdict_before_its_time(happenings):
    """Whatever happens, nobody who has stepped within `stall_seconds` is called wedged."""
    pulse, steps, last = StallDetector(STALL, WEDGE), 0, 0.0
    for second, (stepped, unfinished) in enumerate(happenings):
        now = float(second)
        steps += stepped
        if stepped or unfinished == 0 or second == 0:
            last = now
        complaint = pulse.check(Vitals(True, steps, unfinished), now, lambda: 0.0)
        assert complaint is None or now - last >= STALL * 0.9
        if complaint is not None:
            return
