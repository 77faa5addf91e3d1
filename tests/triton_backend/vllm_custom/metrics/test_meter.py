"""Counting, and handing on what has changed."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.exporter import Exporter
from vllm_custom.metrics.meter import Family, Kind, Meter

from tests.fakes import triton_python_backend as triton

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


def test_metric_names_are_unique_and_the_official_ones_are_there():
    """The eight of the official backend, under their names."""
    families = [value for value in vars(metrics).values() if isinstance(value, Family)]
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    assert {
        "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds",
        "vllm:time_per_output_token_seconds", "vllm:e2e_request_latency_seconds", "vllm:request_prompt_tokens",
        "vllm:request_generation_tokens", "vllm:request_params_n",
    } <= set(names)  # fmt: skip
    for family in families:
        assert list(family.bounds) == sorted(set(family.bounds))


class Sink:
    """Collects what is put; may refuse."""

    def __init__(self, *, refuses=False):
        self.refuses, self.changes = refuses, []
        self.got, self.closed = threading.Event(), threading.Event()

    def put(self, change):
        assert not self.closed.is_set()
        if self.refuses:
            raise RuntimeError("metrics are off")
        self.changes.append(change)
        self.got.set()

    def close(self):
        self.closed.set()


def test_exporter_hands_on_and_closes():
    """What is counted arrives, with what the refreshing sets; the end closes the sink on the same thread."""
    meter, sink = Meter(), Sink()
    exporter = Exporter(meter, sink, lambda: meter.set(metrics.READY, 1), period=0.001)
    exporter.start()
    assert sink.got.wait(10)
    exporter.stop(10)
    assert sink.closed.is_set()
    assert [change.series.name for change in sink.changes] == ["vllm_custom:engine_ready"]


def test_exporter_gives_a_broken_sink_up():
    """Where Triton has no metrics, trying ends after the first time."""
    meter, sink = Meter(), Sink(refuses=True)
    meter.add(metrics.GENERATION_TOKENS, 1)
    exporter = Exporter(meter, sink, lambda: None, period=0.001)
    exporter.start()
    assert sink.closed.wait(10)
    exporter.stop(10)


@pytest.fixture
def registry():
    triton.MetricFamily.registry.clear()
    return triton.MetricFamily.registry


def test_sink_moves_gauges_by_differences(registry):
    """A gauge that a dead stub left at 7 is right after the first export, and after each one."""
    from vllm_custom.metrics.triton_sink import TritonSink

    key = ("vllm:num_requests_running", (("model", "m"), ("version", "1")))
    registry[key] = 7.0
    meter, sink = Meter(), TritonSink({"model": "m", "version": "1"})
    for value in (2, 5, 0):
        meter.set(metrics.RUNNING, value)
        for change in meter.take():
            sink.put(change)
        assert registry[key] == value
    sink.close()


def test_sink_adds_to_counters(registry):
    """Counters go on from where they stand, with the labels of the model and their own."""
    from vllm_custom.metrics.triton_sink import TritonSink

    meter, sink = Meter(), TritonSink({"model": "m", "version": "1"})
    for _ in range(2):
        meter.add(metrics.REQUESTS, 1, "finished")
        for change in meter.take():
            sink.put(change)
    labels = (("model", "m"), ("outcome", "finished"), ("version", "1"))
    assert registry == {("vllm_custom:requests_total", labels): 2.0}
