"""Exports metrics to Triton: one thread, about once a second, and only what has changed.

So its cost depends neither on the rate of tokens nor on that of requests. After the first failure nothing more is exported:
where Triton was started without metrics, that is the first export.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from .meter import Change, Meter

logger = logging.getLogger(__name__)

PERIOD = 1.0


class MetricsSink(Protocol):
    """Called by one thread only; `put` raises when metrics can't be had."""

    def put(self, change: Change) -> None: ...
    def close(self) -> None: ...


class Exporter:
    """`refresh` is called before each export, and sets the gauges that are not set when something happens."""

    def __init__(self, meter: Meter, sink: MetricsSink, refresh: Callable[[], None], *, period: float = PERIOD) -> None:
        self._meter = meter
        self._sink = sink
        self._refresh = refresh
        self._period = period
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread, and release Triton's objects, which must not outlive its shared memory."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            # No export at the end: it would not be read, and a Triton that is ending does not survive a new metric.
            while not self._stopping.wait(self._period):
                self._export()
        except Exception as failure:  # noqa: BLE001  whatever is wrong with metrics must not touch the requests
            logger.warning("no metrics from here on: %s", failure)
        finally:
            self._sink.close()

    def _export(self) -> None:
        self._refresh()
        for change in self._meter.take():
            self._sink.put(change)
