"""Counting, and handing on what has changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.meter import Family, Kind, Meter

SECONDS = Family("seconds", Kind.HISTOGRAM, "h", bounds=(1, 2.5, 5))


def taken(meter):
    return {(change.series.name, *change.series.labels): change.value for change in meter.take()}


def test_counter_is_handed_on_as_a_difference():
    """What was taken once is not taken again."""
    meter = Meter()
    meter.add(metrics.GENERATION_TOKENS, 3)
    meter.add(metrics.GENERATION_TOKENS, 4)
    assert taken(meter) == {("vllm:generation_tokens_total",): 7}
    assert taken(meter) == {}
    meter.add(metrics.GENERATION_TOKENS, 1)
    assert taken(meter) == {("vllm:generation_tokens_total",): 1}


def test_gauge_is_handed_on_when_it_has_changed():
    """Only another value counts, and zero is a value."""
    meter = Meter()
    meter.set(metrics.RUNNING, 0)
    assert taken(meter) == {("vllm:num_requests_running",): 0}
    meter.set(metrics.RUNNING, 5)
    meter.set(metrics.RUNNING, 0)
    assert taken(meter) == {}


def test_zeroing_makes_no_series():
    """A gauge that nobody counts does not appear as 0, one that was counted goes back to 0."""
    meter = Meter()
    meter.zero(metrics.RUNNING)
    assert taken(meter) == {}
    meter.set(metrics.RUNNING, 3)
    meter.zero(metrics.RUNNING)
    assert taken(meter) == {("vllm:num_requests_running",): 0}


def test_labels_make_series_of_their_own():
    """Outcomes are counted apart."""
    meter = Meter()
    meter.add(metrics.REQUESTS, 1, "timeout")
    meter.add(metrics.REQUESTS, 2, "finished")
    name = "vllm_custom:requests_total"
    assert taken(meter) == {(name, ("outcome", "timeout")): 1, (name, ("outcome", "finished")): 2}


def test_nothing_makes_a_counter_smaller():
    """A clock that was set back may make an interval negative; Triton's counters refuse that."""
    meter = Meter()
    meter.add(metrics.PREEMPTIONS, -1)
    meter.observe(SECONDS, [-3.0])
    assert all(value >= 0 for value in taken(meter).values())


def test_value_on_a_bound_belongs_below_it():
    """Prometheus' buckets are less or equal."""
    meter = Meter()
    meter.observe(SECONDS, [2.5])
    assert taken(meter) == {
        ("seconds_bucket", ("le", "2.5")): 1,
        ("seconds_bucket", ("le", "5")): 1,
        ("seconds_bucket", ("le", "+Inf")): 1,
        ("seconds_count",): 1,
        ("seconds_sum",): 2.5,
    }


@given(st.lists(st.lists(st.floats(0, 10), max_size=5), max_size=6))
def test_buckets_add_up_however_often_they_are_taken(batches):
    """Over any sequence of takings, each bucket's sum is the number of values up to its bound."""
    meter, total = Meter(), {}
    for batch in batches:
        meter.observe(SECONDS, batch)
        for key, value in taken(meter).items():
            total[key] = total.get(key, 0) + value
    values = [value for batch in batches for value in batch]
    for bound, text in [(1, "1"), (2.5, "2.5"), (5, "5"), (float("inf"), "+Inf")]:
        assert total.get(("seconds_bucket", ("le", text)), 0) == sum(value <= bound for value in values)
    assert total.get(("seconds_count",), 0) == len(values)
    assert total.get(("seconds_sum",), 0) == pytest.approx(sum(values))
