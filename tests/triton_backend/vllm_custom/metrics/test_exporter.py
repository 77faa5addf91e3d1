"""Handing metrics on, once in a while."""

from __future__ import annotations

import threading

from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.exporter import Exporter
from vllm_custom.metrics.meter import Meter


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


def test_end_of_the_last_request_is_exported_at_once():
    """Long before the period is over; not while another one runs, and not at its end."""
    meter, sink, idle = Meter(), Sink(), threading.Event()
    exporter = Exporter(meter, sink, lambda: None, idle.is_set, period=60)
    exporter.start()
    meter.add(metrics.GENERATION_TOKENS, 1)
    exporter.request_ended()
    assert not sink.got.wait(0.3)
    idle.set()
    exporter.request_ended()
    assert sink.got.wait(10)
    exporter.stop(10)
    assert sink.closed.is_set()


def test_exporter_that_waits_is_stopped_at_once():
    """In the middle of a period."""
    exporter = Exporter(Meter(), Sink(), lambda: None, period=60)
    exporter.start()
    exporter.stop(10)
    assert not exporter._thread.is_alive()
