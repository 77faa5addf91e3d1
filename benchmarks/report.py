"""A run in words and tables, for the terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.alone import request_table, token_table
from benchmarks.goals import goal_table
from benchmarks.memory import memory_table
from benchmarks.pooling import pooling_table
from benchmarks.prompts import prompt_table
from benchmarks.results import Results
from benchmarks.whole import added_table, path_table


def markdown(results: Results) -> str:
    """All of it."""
    return "\n\n".join(_parts(results))


def _parts(results: Results) -> Iterator[str]:
    yield "\n".join(f"* {name}: {value}" for name, value in results.machine.items())
    yield goal_table(results)
    if results.alone:
        yield token_table(results.alone.tokens)
        yield request_table(results.alone.requests)
        yield from _missing(results.alone.missing)
    if results.generator:
        yield _generator(results)
    if results.streams:
        yield token_table(results.streams.rows)
        yield from _missing(results.streams.missing)
    if results.whole:
        yield path_table(results.whole.paths)
        yield added_table(results.whole.added)
        yield pooling_table(results.whole.pooling)
    if results.memory:
        yield memory_table(results.memory)
    if results.prompts:
        yield prompt_table(results.prompts)
    yield from _missing(results.failed)


def _missing(reasons: Mapping[str, str]) -> Iterator[str]:
    for name, why in reasons.items():
        yield f"Not measured: {name}: {' '.join(why.split())[-300:]}"


def _generator(results: Results) -> str:
    seen = results.generator
    if seen is None:
        return ""
    each = seen.cpu_seconds / seen.tokens * 1e6
    return (
        f"The load generator alone, before the peers' source with nothing between: "
        f"{seen.tokens / seen.seconds:,.0f} tokens/s, {each:.1f} us of its CPU a token."
    )
