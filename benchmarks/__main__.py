"""`make bench`: everything that docs/performance.md tells, in at most ten minutes where the environments exist.

    python -m benchmarks [--only PART …] [--repeat N] [--out FOLDER]

Prints the tables, and writes bench.json, bench.svg and, from those, the figures in docs/performance.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks import alone, document, memory, prompts, report, results, streams, subjects, whole
from benchmarks.cost import Bench
from benchmarks.environment import machine, say, started
from benchmarks.load import Seen
from benchmarks.results import Results
from benchmarks.sources import FLOODED, sse_source
from benchmarks.triton_source import MODEL
from gateway.cli.errors import Problem
from gateway.cli.layout import find_layout

PARTS = ("alone", "streams", "memory", "prompts", "whole")
Measured = TypeVar("Measured")
_SUBJECTS = (subjects.OURS, subjects.OURS_DIRECT, *subjects.PEERS)


def main() -> int:
    arguments = _arguments()
    _prepare(arguments.only)
    facts = machine()
    with started() as bench:
        run = _run(bench, facts, arguments.only, arguments.repeat)
    sys.stdout.write(report.markdown(run) + "\n")
    target: Path = arguments.out / "bench.json"
    results.write(run, target)
    if run.alone and run.streams:
        _draw(target)
    if arguments.out == results.FOLDER:
        document.update()
    say(f"done; the figures are in {arguments.out}")
    return 1 if run.failed else 0


def _prepare(parts: Sequence[str]) -> None:
    """Make the environments that are not there yet, before anything is measured and on all cores."""
    peers = subjects.PEERS if "alone" in parts else ()
    for name in (*peers, *(["plot"] if {"alone", "streams"} <= {*parts} else [])):
        try:
            subjects.environment(f"bench-{name}")
        except Problem as problem:
            sys.stderr.write(f"{name} is left out: {problem}\n")


def _run(bench: Bench, facts: dict[str, str], parts: Sequence[str], repeats: int) -> Results:
    failed: dict[str, str] = {}
    fewer = max(1, repeats - 1)

    def part(name: str, measure: Callable[[], Measured]) -> Measured | None:
        """What has been measured is kept when a part fails."""
        if name not in parts:
            return None
        try:
            return measure()
        except RuntimeError as error:
            say(f"{name} failed: {error}")
            failed[name] = str(error)
            return None

    return Results(
        machine=facts,
        generator=_generator(bench),
        alone=part("alone", lambda: alone.measure(bench, _SUBJECTS, repeats)),
        streams=part("streams", lambda: streams.measure(bench, fewer)),
        memory=part("memory", lambda: memory.measure(bench)),
        prompts=part("prompts", lambda: prompts.measure(bench, fewer)),
        whole=part("whole", lambda: whole.measure(bench, fewer)),
        failed=failed,
    )


def _generator(bench: Bench) -> Seen:
    """What the load generator can do alone: the source has the core on which everything else is measured later."""
    say("the load generator alone")
    with sse_source(bench.load.folder, bench.cores.measured) as source:
        source.set(FLOODED)
        return bench.load.chat(source.port, MODEL, streams=64, requests=256, tokens=1000)


def _draw(target: Path) -> None:
    """In an environment of its own; a run without a plot is still a run."""
    try:
        python = subjects.environment("bench-plot") / "bin" / "python"
    except Problem as problem:
        sys.stderr.write(f"no plot: {problem}\n")
        return
    subprocess.run([python, Path(__file__).with_name("plot.py"), target, target.with_suffix(".svg")], check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures the gateway and its peers.")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, help="benchmarks/results/ when nothing is left out, else .cache/bench/")
    arguments = parser.parse_args()
    if arguments.out is None:
        # Part of a run must not take the place of the whole one that the documentation tells of.
        arguments.out = results.FOLDER if set(PARTS) <= {*arguments.only} else find_layout().cache / "bench"
    return arguments


if __name__ == "__main__":
    sys.exit(main())
