"""How the cost of a token depends on the number of streams, and of workers: the gateway before the stand-in of Triton.

One pace brings 2,000 tokens a second whatever the number of streams is, eight in each step, so that nothing differs but how
many streams are open.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

import psutil

from benchmarks import cost, subjects
from benchmarks.cost import Bench, TokenCost
from benchmarks.environment import say
from benchmarks.processes import cores
from benchmarks.sources import FLOODED, PACED, STEADY, Pace, triton_source

COUNTS: tuple[tuple[Pace, tuple[int, ...]], ...] = (
    (STEADY, (8, 32, 128, 512, 1024)),
    (PACED, (1, 8, 32, 128, 512, 1024)),
    (FLOODED, (1, 8, 64, 256, 1024)),
)
WORKERS = (2, 3, 4)
_STREAMS_A_WORKER = 64


@dataclass(frozen=True)
class Streams:
    """What was measured, and why the rest was not."""

    rows: list[TokenCost]
    missing: dict[str, str]


def measure(bench: Bench, repeats: int) -> Streams:
    """Every count of streams with one worker, then more workers where there are cores for them."""
    missing: dict[str, str] = {}
    return Streams([*_one_worker(bench, repeats, missing), *_more_workers(bench, repeats, missing)], missing)


def _one_worker(bench: Bench, repeats: int, missing: dict[str, str]) -> list[TokenCost]:
    folder, on = bench.load.folder, bench.cores
    with ExitStack() as stack:
        source = stack.enter_context(triton_source(folder, on.others))
        subject = stack.enter_context(subjects.gateway(source, folder, on.measured))
        bench.warm_up(subject)
        runs: dict[tuple[Pace, int], list[cost.Sample]] = {}
        for number in range(repeats):
            for pace, counts in COUNTS:
                say(f"{pace.name}, {counts[0]} to {counts[-1]} streams, round {number + 1} of {repeats}")
                for count in counts:
                    try:
                        sample = bench.paced(subject, pace, count)
                    except RuntimeError as error:  # more than this machine can do
                        missing[f"{pace.name}, {count} streams"] = str(error)
                    else:
                        runs.setdefault((pace, count), []).append(sample)
    return [cost.read_off(subject.name, pace, samples) for (pace, _), samples in runs.items()]


def _more_workers(bench: Bench, repeats: int, missing: dict[str, str]) -> list[TokenCost]:
    """Half of the cores at most, so that source and client keep up; none on a machine of two."""
    rows: list[TokenCost] = []
    for workers in WORKERS:
        if workers * 2 > (psutil.cpu_count() or 1):
            missing[f"{workers} workers and more"] = f"they would take {workers * 2} cores"
            break
        say(f"{workers} workers")
        on = cores(workers)
        wide = Bench(replace(bench.load, on=on.others), on)
        with ExitStack() as stack:
            source = stack.enter_context(triton_source(bench.load.folder, on.others))
            subject = stack.enter_context(subjects.gateway(source, bench.load.folder, on.measured, workers=workers))
            wide.warm_up(subject)
            for pace in (PACED, FLOODED):
                samples = [wide.paced(subject, pace, _STREAMS_A_WORKER * workers) for _ in range(repeats)]
                rows.append(replace(cost.read_off(subject.name, pace, samples), workers=workers))
    return rows
