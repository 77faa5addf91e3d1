"""Metrics on Triton's own metrics port."""

from __future__ import annotations

import pytest
from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.meter import Meter

from tests.fakes import triton_python_backend as triton


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
