"""Metrics on Triton's own metrics port, by its Python API.

Every call is a round trip between processes of some tens of microseconds, and all such calls of a stub stand in one queue.
`increment` gives up the interpreter meanwhile; `set` and `value` do not, so gauges are moved by differences.
"""

from __future__ import annotations

from collections.abc import Mapping

import triton_python_backend_utils as pb_utils

from .meter import Change, Kind, Series


class TritonSink:
    """See `exporter.MetricsSink`. `labels` are on every series."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._families: dict[str, pb_utils.MetricFamily] = {}
        self._metrics: dict[Series, pb_utils.Metric] = {}
        self._gauges: dict[Series, float] = {}

    def put(self, change: Change) -> None:
        series = change.series
        metric = self._metrics.get(series) or self._create(series)
        amount = change.value
        if series.kind is Kind.GAUGE:
            amount -= self._gauges[series]
            self._gauges[series] = change.value
        if amount:
            metric.increment(amount)

    def close(self) -> None:
        # The metrics before their families: Triton requires this order.
        self._metrics.clear()
        self._families.clear()

    def _create(self, series: Series) -> pb_utils.Metric:
        family = self._families.get(series.name)
        if family is None:
            kind = pb_utils.MetricFamily.GAUGE if series.kind is Kind.GAUGE else pb_utils.MetricFamily.COUNTER
            family = pb_utils.MetricFamily(name=series.name, description=series.help, kind=kind)
            self._families[series.name] = family
        metric = self._metrics[series] = family.Metric(labels={**self._labels, **dict(series.labels)})
        if series.kind is Kind.GAUGE:
            # A stub that died has left its gauges in Triton as they were: count from there.
            self._gauges[series] = metric.value()
        return metric
