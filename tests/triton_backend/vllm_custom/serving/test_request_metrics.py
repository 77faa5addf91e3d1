"""What the instance counts, and the gauges while nothing happens."""

from __future__ import annotations

import threading

from vllm_custom.engine.interface import Vitals
from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.meter import Meter
from vllm_custom.serving.request_metrics import RequestMetrics


class Sink:
    def __init__(self):
        self.values = {}
        self.closed = threading.Event()

    def put(self, change):
        before = 0 if change.series.kind.value == "gauge" else self.values.get(change.series.name, 0)
        self.values[change.series.name] = before + change.value

    def close(self):
        self.closed.set()


class Engine:
    def __init__(self):
        self.unfinished, self.restarts = 1, 0

    def vitals(self):
        return Vitals(True, 0, self.unfinished)

    def health(self):
        return {"restarts": self.restarts}


def refreshed(engine, *, ready=True):
    meter, sink = Meter(), Sink()
    request_metrics = RequestMetrics(meter, sink)

    def refresh():
        request_metrics.refresh(engine, lambda: ready)
        for change in meter.take():
            sink.put(change)
        return sink.values

    return meter, refresh


def test_gauges_are_zero_once_nothing_runs():
    """vLLM says nothing after the abort of the last request; the gauges must not stay where they were."""
    engine = Engine()
    meter, refresh = refreshed(engine)
    meter.set(metrics.RUNNING, 1)
    meter.set(metrics.KV_USAGE, 0.4)
    assert refresh()["vllm:num_requests_running"] == 1
    engine.unfinished = 0
    assert refresh()["vllm:num_requests_running"] == 0
    assert refresh()["vllm:kv_cache_usage_perc"] == 0


def test_restarts_are_counted_once():
    """However often it is looked at, an attempt is one attempt."""
    engine = Engine()
    _, refresh = refreshed(engine)
    refresh()
    engine.restarts = 2
    assert refresh()["vllm_custom:engine_restarts_total"] == 2
    assert refresh()["vllm_custom:engine_restarts_total"] == 2


def test_readiness_is_a_gauge():
    """1 and 0, as the model is asked."""
    assert refreshed(Engine())[1]()["vllm_custom:engine_ready"] == 1
    assert refreshed(Engine(), ready=False)[1]()["vllm_custom:engine_ready"] == 0


def test_durations_run_from_receipt_to_the_end():
    """Whatever the outcome, by the clock that it is given."""
    times = iter([10.0, 13.5])
    meter = Meter()
    request_metrics = RequestMetrics(meter, clock=lambda: next(times))
    request_metrics.ended("timeout", request_metrics.now())
    values = {change.series.name: change.value for change in meter.take()}
    assert values["vllm_custom:request_duration_seconds_sum"] == 3.5
