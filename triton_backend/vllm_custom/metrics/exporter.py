"""Exports metrics to Triton: one thread, once a second, and only what has changed.

When the last running request has ended it exports at once, so that whoever looks then finds all of it. Its cost depends
neither on the rate of tokens nor on that of requests, but for at most some 15 exports a second where requests come one by
one. After the first failure nothing more is exported:
where Triton was started without metrics, that is the first export.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from .meter import Change, Meter

logger = logging.getLogger(__name__)

PERIOD = 1.0
# An engine reports a step after its outputs; and an export is dozens of round trips.
_SETTLE_S = 0.02
_LEAST_GAP_S = 0.05


class MetricsSink(Protocol):
    """Called by one thread only; `put` raises when metrics can't be had."""

    def put(self, change: Change) -> None: ...
    def close(self) -> None: ...


class Exporter:
    """`refresh` is called before each export, and sets the gauges that are not set when something happens. `is_idle`: no
    request is running."""

    def __init__(
        self,
        meter: Meter,
        sink: MetricsSink,
        refresh: Callable[[], None],
        is_idle: Callable[[], bool] = lambda: False,
        *,
        period: float = PERIOD,
    ) -> None:
        self._meter = meter
        self._sink = sink
        self._refresh = refresh
        self._is_idle = is_idle
        self._period = period
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_ended(self) -> None:
        """If it was the last one that ran, its figures are exported at once."""
        self._ended.set()

    def stop(self, timeout: float) -> None:
        """End the thread, and release Triton's objects, which must not outlive its shared memory."""
        self._stopping.set()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            # No export at the end: it would not be read, and a Triton that is ending does not survive a new metric.
            while self._wait():
                self._export()
        except Exception as failure:  # noqa: BLE001  whatever is wrong with metrics must not touch the requests
            logger.warning("no metrics from here on: %s", failure)
        finally:
            self._sink.close()

    def _wait(self) -> bool:
        """Until the period is over, or no request runs any more. False when this is to end."""
        begun = time.monotonic()
        while (left := begun + self._period - time.monotonic()) > 0:
            if self._ended.wait(left) and not self._stopping.wait(_SETTLE_S):
                self._ended.clear()
                if self._is_idle():
                    return not self._stopping.wait(max(0.0, begun + _LEAST_GAP_S - time.monotonic()))
            if self._stopping.is_set():
                return False
        return not self._stopping.is_set()

    def _export(self) -> None:
        self._refresh()
        for change in self._meter.take():
            self._sink.put(change)
