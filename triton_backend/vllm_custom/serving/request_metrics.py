"""What is counted of requests, and the gauges that have to be right while no request runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..engine.interface import Vitals
from ..metrics import names as metrics
from ..metrics.exporter import Exporter, MetricsSink
from ..metrics.meter import Meter


class MeasuredEngine(Protocol):
    """The part of the engine that the gauges are read from."""

    def vitals(self) -> Vitals: ...
    def health(self) -> Mapping[str, Any]: ...


class RequestMetrics:
    """Counts into `meter` and exports it to `sink` from `start` to `stop`; without a sink nothing is exported."""

    def __init__(
        self, meter: Meter, sink: MetricsSink | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._meter = meter
        self._sink = sink
        self._clock = clock
        self._exporter: Exporter | None = None
        self._restarts = 0

    def start(self, engine: MeasuredEngine, is_ready: Callable[[], bool]) -> None:
        if self._sink is not None:
            self._exporter = Exporter(
                self._meter,
                self._sink,
                lambda: self.refresh(engine, is_ready),
                lambda: engine.vitals().unfinished == 0,
            )
            self._exporter.start()

    def stop(self, timeout: float) -> None:
        if self._exporter is not None:
            self._exporter.stop(timeout)

    def now(self) -> float:
        return self._clock()

    def ended(self, outcome: str, began: float) -> None:
        """A request that was taken has had its final response; `began` is what `now` gave when it came."""
        self._meter.add(metrics.REQUESTS, 1, outcome)
        self._meter.observe(metrics.DURATION, [self._clock() - began])
        if self._exporter is not None:
            self._exporter.request_ended()

    def refused(self, outcome: str) -> None:
        """A request was refused before it ran; its duration does not count."""
        self._meter.add(metrics.REQUESTS, 1, outcome)

    def refresh(self, engine: MeasuredEngine, is_ready: Callable[[], bool]) -> None:
        """Set the gauges that no request and no step of the engine sets; called before each export."""
        meter = self._meter
        meter.set(metrics.READY, int(is_ready()))
        restarts = int(engine.health()["restarts"])
        meter.add(metrics.RESTARTS, restarts - self._restarts)
        self._restarts = restarts
        if engine.vitals().unfinished == 0:
            # vLLM reports after a step, and an abort of the last request is followed by none.
            for gauge in (metrics.RUNNING, metrics.WAITING, metrics.KV_USAGE):
                meter.zero(gauge)
