"""The goals, and what of them a run has reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import alone, subjects
from benchmarks.results import Results
from benchmarks.sources import FLOODED, PACED, STEADY
from benchmarks.table import table
from benchmarks.triton_client import DIRECT, SESSION
from benchmarks.whole import BETWEEN_TOKENS, FIRST_TOKEN, Added, PathCost

_JOINED_LIMIT = 1.1
"""Up to here a response carries one token, as NVIDIA's backend sends them."""


@dataclass(frozen=True)
class Goal:
    """`value` reads a run and gives what is to be at most `limit` (`at_least`: at least); None where it was not measured."""

    what: str
    unit: str
    limit: float
    value: Callable[[Results], float | None]
    stretch: float | None = None
    at_least: bool = False

    def verdict(self, measured: float | None) -> str:
        """In a word."""
        if measured is None:
            return "not measured"
        if self.stretch is not None and self._reaches(measured, self.stretch):
            return "yes, and the stretch goal"
        return "yes" if self._reaches(measured, self.limit) else "**no**"

    def _reaches(self, measured: float, limit: float) -> bool:
        return measured >= limit if self.at_least else measured <= limit


def _token(results: Results, subject: str, pace: str) -> float | None:
    rows = results.alone.tokens if results.alone else []
    return next((row.us for row in rows if (row.subject, row.pace) == (subject, pace)), None)


def _request(results: Results, kind: str) -> float | None:
    rows = results.alone.requests if results.alone else []
    return next((row.us / 1e3 for row in rows if (row.subject, row.kind) == (subjects.OURS, kind)), None)


def _to_best_router(pace: str) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        ours = _token(results, subjects.OURS, pace)
        routers = [cost for name in subjects.RUST_ROUTERS if (cost := _token(results, name, pace)) is not None]
        return ours / min(routers) if ours and routers else None

    return value


def _litellm_to_ours(pace: str) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        ours, theirs = _token(results, subjects.OURS, pace), _token(results, subjects.LITELLM, pace)
        return theirs / ours if ours and theirs else None

    return value


def _path(results: Results, way: str, streams: int) -> PathCost | None:
    rows = results.whole.paths if results.whole else []
    return next((row for row in rows if (row.way, row.streams) == (way, streams)), None)


def _whole_path(results: Results) -> float | None:
    row = _path(results, SESSION, 128)
    return row.total if row else None


def _to_direct(results: Results) -> float | None:
    """128 streams by session to direct travel at the most streams where that still sends one token a response: with more
    than the machine can do, it joins tokens too."""
    ours = _whole_path(results)
    direct = [row for streams in (128, 32) if (row := _path(results, DIRECT, streams)) and row.joined <= _JOINED_LIMIT]
    return ours / direct[0].total if ours and direct else None


def _added(what: str, quantile: Callable[[Added], float]) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        rows = results.whole.added if results.whole else []
        return next((quantile(row) for row in rows if row.what == what), None)

    return value


def _growth(results: Results) -> float | None:
    """How much dearer the dearest count of streams is than the cheapest."""
    costs = [row.us for row in (results.streams.rows if results.streams else ()) if row.pace == STEADY.name]
    return (max(costs) / min(costs) - 1) * 100 if costs else None


def _worker_mb(results: Results) -> float | None:
    return results.memory.worker_mb if results.memory else None


def _stream_kb(results: Results) -> float | None:
    return max(results.memory.idle_stream_kb, results.memory.active_stream_kb) if results.memory else None


GOALS = (
    Goal("CPU a token, paced, to the best Rust router's", "times", 1.0, _to_best_router(PACED.name), 0.7),
    Goal("CPU a token, flooded, to the best Rust router's", "times", 1.5, _to_best_router(FLOODED.name), 1.0),
    Goal("LiteLLM's CPU a token, paced, to ours", "times", 30, _litellm_to_ours(PACED.name), at_least=True),
    Goal("LiteLLM's CPU a token, flooded, to ours", "times", 30, _litellm_to_ours(FLOODED.name), at_least=True),
    Goal("CPU a token of gateway, tritonserver and stub, 128 streams", "us", 50, _whole_path, 30),
    Goal("the same to direct travel, one token a response", "times", 0.2, _to_direct),
    Goal("first token, added to a direct client's, p50", "ms", 1, _added(FIRST_TOKEN, lambda row: row.added_p50)),
    Goal("first token, added to a direct client's, p99", "ms", 3, _added(FIRST_TOKEN, lambda row: row.added_p99)),
    Goal("between tokens, added, 128 streams, p99", "ms", 3, _added(BETWEEN_TOKENS, lambda row: row.added_p99)),
    Goal("CPU a short request, streamed", "ms", 0.5, lambda results: _request(results, alone.STREAMED), 0.25),
    Goal("CPU a short request, not streamed", "ms", 0.5, lambda results: _request(results, alone.WHOLE), 0.25),
    Goal("CPU a token from 8 to 1,024 streams differs by", "%", 20, _growth),
    Goal("memory of a worker", "MB", 120, _worker_mb),
    Goal("memory of an open stream", "kB", 25, _stream_kb),
    Goal(
        "CPU a token by direct travel, one token a response, flooded",
        "us",
        60,
        lambda results: _token(results, subjects.OURS_DIRECT, FLOODED.name),
    ),
    Goal(
        "CPU a token by direct travel, one token a response, paced",
        "us",
        80,
        lambda results: _token(results, subjects.OURS_DIRECT, PACED.name),
    ),
)


def goal_table(results: Results, goals: Sequence[Goal] = GOALS) -> str:
    """Goal, measured, met or not."""
    rows: list[Sequence[object]] = []
    for goal in goals:
        measured = goal.value(results)
        bound = "at least" if goal.at_least else "at most"
        stretch = "" if goal.stretch is None else f" (stretch {goal.stretch:g})"
        shown = None if measured is None else float(f"{measured:.3g}")
        rows.append([goal.what, f"{bound} {goal.limit:g} {goal.unit}{stretch}", shown, goal.verdict(measured)])
    return table(["goal", "limit", "measured", "met"], rows)
