"""Counts in this process, without Triton and without vLLM, so that counting costs little.

Engines and the instance count; once a second the exporter takes what has changed. A histogram is kept as plain counts, and
exported as the cumulative counters that Prometheus knows it by: Triton's own histogram takes one value at a time, and each
would be a round trip between processes.
"""

from __future__ import annotations

import enum
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate


class Kind(enum.Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric by its name. `label` is the name of its one label beside those of the model, if it has one; `bounds`
    are the upper ones of a histogram's buckets."""

    name: str
    kind: Kind
    help: str
    label: str | None = None
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """One line of what Prometheus reads; counters and gauges only, for a histogram has been taken apart."""

    name: str
    kind: Kind
    help: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What to add to a counter, or the new value of a gauge."""

    series: Series
    value: float


class _Histogram:
    __slots__ = ("_bounds", "_counts", "_series", "_sum", "_sum_series", "_total_series")

    def __init__(self, family: Family) -> None:
        bounds = [*family.bounds, float("inf")]
        self._bounds = family.bounds
        self._counts = [0] * len(bounds)
        self._sum = 0.0
        self._series = [
            Series(f"{family.name}_bucket", Kind.COUNTER, family.help, (("le", _bound(bound)),)) for bound in bounds
        ]
        self._sum_series = Series(f"{family.name}_sum", Kind.COUNTER, family.help)
        self._total_series = Series(f"{family.name}_count", Kind.COUNTER, family.help)

    def observe(self, values: Iterable[float]) -> None:
        for value in values:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def take(self) -> list[Change]:
        below = list(accumulate(self._counts))
        if not below[-1]:
            return []
        changes = [Change(series, count) for series, count in zip(self._series, below, strict=True) if count]
        changes.append(Change(self._total_series, below[-1]))
        # A counter cannot take less than nothing; a clock that was set back can make an interval negative.
        changes.append(Change(self._sum_series, max(0.0, self._sum)))
        self._counts = [0] * len(self._counts)
        self._sum = 0.0
        return changes


class Meter:
    """Every method may be called from any thread. A series exists from its first value on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Series, float] = {}
        self._gauges: dict[Series, float] = {}
        self._exported: dict[Series, float] = {}
        self._histograms: dict[str, _Histogram] = {}

    def add(self, family: Family, amount: float = 1, label: str = "") -> None:
        if amount > 0:
            series = _series(family, label)
            with self._lock:
                self._counters[series] = self._counters.get(series, 0.0) + amount

    def set(self, family: Family, value: float, label: str = "") -> None:
        series = _series(family, label)
        with self._lock:
            self._gauges[series] = value

    def zero(self, family: Family) -> None:
        """Set a gauge to 0, if it has ever had a value."""
        series = _series(family, "")
        with self._lock:
            if series in self._gauges:
                self._gauges[series] = 0

    def observe(self, family: Family, values: Sequence[float]) -> None:
        if not values:
            return
        with self._lock:
            histogram = self._histograms.get(family.name)
            if histogram is None:
                histogram = self._histograms[family.name] = _Histogram(family)
            histogram.observe(values)

    def take(self) -> list[Change]:
        """What has changed since the last call."""
        with self._lock:
            changes = [Change(series, amount) for series, amount in self._counters.items()]
            self._counters.clear()
            for histogram in self._histograms.values():
                changes += histogram.take()
            changes += [Change(s, value) for s, value in self._gauges.items() if self._exported.get(s) != value]
            self._exported.update(self._gauges)
        return changes


def _series(family: Family, label: str) -> Series:
    labels = ((family.label, label),) if family.label is not None else ()
    return Series(family.name, family.kind, family.help, labels)


def _bound(value: float) -> str:
    return "+Inf" if value == float("inf") else format(value, "g")
