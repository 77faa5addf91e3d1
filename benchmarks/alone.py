"""The gateway and its peers, each alone on one core, before sources that are faster than any of them.

    python -m benchmarks.alone [--only gateway …] [--repeat 3] [--json FILE]

It is the part of `make bench` to use while working on the gateway: `--only gateway` takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import cost, subjects
from benchmarks.cost import Bench, RequestCost, Sample, TokenCost
from benchmarks.environment import say, started
from benchmarks.meter import BUSY_LIMIT
from benchmarks.sources import PACED, sse_source, triton_source
from benchmarks.subjects import Subject
from benchmarks.table import table
from gateway.cli.errors import Problem

FLOODED_STREAMS = 64
PACED_STREAMS = 128
_SLOW_PACED_STREAMS = 8
"""For what could not keep up with more at 50 tokens a second."""

STREAMED, WHOLE, ONE_BY_ONE = "streamed", "whole", "one by one"
"""Kinds of requests for one token: 16 at a time, streamed or not, and one after the other, streamed."""


@dataclass(frozen=True)
class Alone:
    """What was measured; `missing` says why a peer is not there."""

    tokens: list[TokenCost]
    requests: list[RequestCost]
    missing: dict[str, str]


@dataclass(frozen=True)
class _Repeat:
    """One round of one subject."""

    flooded: list[Sample]
    paced: Sample
    streamed: Sample
    whole: Sample
    one_by_one: Sample


def measure(bench: Bench, names: Sequence[str], repeats: int) -> Alone:
    """Rounds in turn, A B C A B C: what else happens on the machine then meets all of them."""
    with _subjects(bench, names) as (present, missing):
        rounds: dict[str, list[_Repeat]] = {subject.name: [] for subject in present}
        for number in range(repeats):
            for subject in present:
                say(f"{subject.name}, round {number + 1} of {repeats}")
                try:
                    rounds[subject.name].append(_round(bench, subject))
                except RuntimeError as error:
                    if subject.name in (subjects.OURS, subjects.OURS_DIRECT):
                        raise
                    missing[f"{subject.name} in round {number + 1}"] = str(error)
    complete = {name: done for name, done in rounds.items() if done}
    return Alone(
        [cost.fitted(name, [each.flooded for each in done]) for name, done in complete.items()]
        + [cost.read_off(name, PACED, [each.paced for each in done]) for name, done in complete.items()],
        [
            cost.request_cost(name, kind, samples)
            for name, done in complete.items()
            for kind, samples in (
                (STREAMED, [each.streamed for each in done]),
                (WHOLE, [each.whole for each in done]),
                (ONE_BY_ONE, [each.one_by_one for each in done]),
            )
        ],
        missing,
    )


def _round(bench: Bench, subject: Subject) -> _Repeat:
    return _Repeat(
        flooded=bench.flooded(subject, FLOODED_STREAMS),
        paced=bench.paced(subject, PACED, PACED_STREAMS if subject.slowness == 1 else _SLOW_PACED_STREAMS),
        streamed=bench.requests(subject, stream=True),
        whole=bench.requests(subject, stream=False),
        one_by_one=bench.one_by_one(subject),
    )


@contextmanager
def _subjects(bench: Bench, names: Sequence[str]) -> Generator[tuple[list[Subject], dict[str, str]], None, None]:
    """Those of the names that can be started, warm, and why the others can't."""
    present: list[Subject] = []
    missing: dict[str, str] = {}
    on, folder = bench.cores, bench.load.folder
    with ExitStack() as stack:
        if {subjects.OURS, subjects.OURS_DIRECT} & {*names}:
            ours = stack.enter_context(
                subjects.gateway(stack.enter_context(triton_source(folder, on.others)), folder, on.measured)
            )
            present += [each for each in (ours, subjects.direct(ours)) if each.name in names]
        if peers := [name for name in names if name in subjects.PEERS]:
            source = stack.enter_context(sse_source(folder, on.others))
            for name in peers:
                try:
                    present.append(stack.enter_context(subjects.peer(name, source, folder, on.measured)))
                except (Problem, RuntimeError) as problem:
                    missing[name] = str(problem)
        for subject in present:
            bench.warm_up(subject)
        yield present, missing


def tables(alone: Alone) -> str:
    """For people, and for the documentation."""
    parts = [token_table(alone.tokens), request_table(alone.requests)]
    return "\n\n".join([*parts, *(f"Not measured: {name}: {why}" for name, why in alone.missing.items())])


def token_table(rows: Sequence[TokenCost]) -> str:
    head = [
        "before a source",
        "pace",
        "streams",
        "us/token",
        "most",
        "tokens/s",
        "joined",
        "gap p50 ms",
        "p99 ms",
        "longest",
        "others",
        "foreign",
    ]
    return table(
        head,
        [
            [
                row.subject if row.workers == 1 else f"{row.subject}, {row.workers} workers",
                row.pace,
                row.streams,
                row.us,
                row.us_most,
                f"{row.tokens_per_second:,}{'' if row.kept_pace else ' !'}",
                row.joined,
                row.gap_p50_ms,
                row.gap_p99_ms,
                row.gap_most_ms,
                _busy(row.others_busy),
                f"{row.foreign:.0%}",
            ]
            for row in rows
        ],
    )


def request_table(rows: Sequence[RequestCost]) -> str:
    head = [
        "requests for one token",
        "kind",
        "streams",
        "us/request",
        "most",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "others",
        "foreign",
    ]
    return table(
        head,
        [
            [
                row.subject,
                row.kind,
                row.streams,
                row.us,
                row.us_most,
                row.requests_per_second,
                row.answer_p50_ms,
                row.answer_p99_ms,
                _busy(row.others_busy),
                f"{row.foreign:.0%}",
            ]
            for row in rows
        ],
    )


def _busy(share: float) -> str:
    """Marked where the other cores had so much to do that the source or the client may have been what was slow."""
    return f"{share:.0%}{' !' if share > BUSY_LIMIT else ''}"


def main() -> int:
    arguments = _arguments()
    with started() as bench:
        alone = measure(bench, arguments.only, arguments.repeat)
    sys.stdout.write(tables(alone) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(alone), indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    names = (subjects.OURS, subjects.OURS_DIRECT, *subjects.PEERS)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
