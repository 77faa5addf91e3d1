"""`make bench AGAINST=<revision>`: what a token and a request take of the processor in two versions of the gateway.

    python -m benchmarks.compare BASE [HEAD] [--rounds 15]        HEAD: the working tree as it is, unless it is named

Both run from their own source trees, in the gateway's environment of this checkout, on the same core, before one stand-in of
Triton, which is this checkout's: both must speak its contract. A revision is only ever started as a program, and nothing of
it is imported here, so its package may be laid out otherwise.

A round starts a gateway of each version, gives both the same loads in turn, a load to the one and at once to the other while
the one that waits sits still, and ends them. Whatever else the machine does meets both; who is first changes from round to
round. The processes are new in each round because a process has luck of its own, where its memory lies and how its strings
hash, which would pass for a difference between the versions if one pair lived through all rounds.

Flooded and paced are streams that are open already and stay so. Ends with 1 when a load costs more than it may (see
ratio.py), and with 2 when it could not be measured.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import system, trees
from benchmarks.alone import FLOODED_STREAMS, PACED_STREAMS
from benchmarks.cost import Bench, Sample
from benchmarks.environment import machine, say, started
from benchmarks.ratio import CONFIDENCE, FEWEST, LIMIT, Pair, Ratio, ratio
from benchmarks.sources import FLOODED, PACED, Source, triton_source
from benchmarks.subjects import Subject, direct
from benchmarks.table import table
from benchmarks.triton_source import MODEL
from gateway.cli.layout import find_layout

ROUNDS = 15
BASE, HEAD = "base", "head"
_FLOODED_S, _PACED_S = 1.0, 2.0
"""How long streams are measured. Paced ones do little in that time, and what they take varies the most."""
_ATTEMPTS = 3


@dataclass(frozen=True)
class Kind:
    """A kind of load. `microseconds` puts it on a gateway, and gives what a token or a request took."""

    name: str
    microseconds: Callable[[Bench, Subject], float]


class _Stalled(RuntimeError):
    """Nothing came in the time of a measurement: on a machine that busy it tells nothing of what a token takes."""


def _flooded(bench: Bench, subject: Subject) -> float:
    return _token(bench.paced(subject, FLOODED, FLOODED_STREAMS, _FLOODED_S))


def _paced(bench: Bench, subject: Subject) -> float:
    return _token(bench.paced(subject, PACED, PACED_STREAMS, _PACED_S))


def _token(sample: Sample) -> float:
    if sample.seen.tokens == 0:
        raise _Stalled(f"no token came in {sample.seen.seconds:.1f} s")
    return sample.us_per_token


KINDS = (
    Kind("token, flooded, by session", _flooded),
    Kind("token, paced, by session", _paced),
    Kind("token, flooded, direct", lambda bench, subject: _flooded(bench, direct(subject))),
    Kind("token, paced, direct", lambda bench, subject: _paced(bench, direct(subject))),
    Kind("short request, streamed", lambda bench, subject: bench.requests(subject, stream=True).us_per_request),
    Kind("short request, whole", lambda bench, subject: bench.requests(subject, stream=False).us_per_request),
)


@dataclass(frozen=True)
class Row:
    """Microseconds of each version, medians of the rounds, and their ratio."""

    kind: str
    base: float
    head: float
    ratio: Ratio


def order(number: int) -> tuple[str, str]:
    """Who comes first in a round: A B, B A, A B."""
    return (HEAD, BASE) if number % 2 else (BASE, HEAD)


def measure(bench: Bench, versions: Mapping[str, Path], rounds: int) -> list[Row]:
    """All rounds with the trees of both versions."""
    with triton_source(bench.load.folder, bench.cores.others) as source:
        done = [_round(bench, source, versions, number, rounds) for number in range(rounds)]
    return [row(kind.name, [pairs[kind.name] for pairs in done]) for kind in KINDS]


def row(kind: str, pairs: Sequence[Pair]) -> Row:
    """The pairs of all rounds."""
    base = statistics.median(pair.base for pair in pairs)
    head = statistics.median(pair.head for pair in pairs)
    return Row(kind, base, head, ratio(pairs))


def _round(bench: Bench, source: Source, versions: Mapping[str, Path], number: int, rounds: int) -> dict[str, Pair]:
    say(f"round {number + 1} of {rounds}")
    with ExitStack() as stack:
        subjects = {name: stack.enter_context(_gateway(bench, source, name, versions[name])) for name in order(number)}
        return {kind.name: _pair(bench, kind, subjects) for kind in KINDS}


@contextmanager
def _gateway(bench: Bench, source: Source, name: str, tree: Path) -> Generator[Subject, None, None]:
    """Of one version, warm."""
    with system.gateway(
        source.port,
        bench.load.folder,
        on=bench.cores.measured,
        name=name,
        settings=trees.environment(tree),
        at=tree,
    ) as started_one:
        subject = Subject(name, started_one.program, started_one.port, MODEL, source)
        bench.warm_up(subject)
        bench.warm_up(direct(subject))
        yield subject


def _pair(bench: Bench, kind: Kind, subjects: Mapping[str, Subject]) -> Pair:
    """In the order of the subjects; both anew when one has stalled, as only what was measured at once can be compared."""
    for _ in range(_ATTEMPTS):
        try:
            figures = {name: kind.microseconds(bench, subject) for name, subject in subjects.items()}
        except _Stalled as stalled:
            say(f"{kind.name}: {stalled}")
        else:
            return Pair(figures[BASE], figures[HEAD])
    raise RuntimeError(f"{kind.name}: stalled {_ATTEMPTS} times; the machine is too busy")


def markdown(rows: Sequence[Row]) -> str:
    """For people."""
    head = ["CPU", "base us", "head us", "head/base", f"{CONFIDENCE:.0%} interval", f"verdict, at most {LIMIT:g}"]
    return table(
        head,
        [
            [
                each.kind,
                each.base,
                each.head,
                f"{each.ratio.median:.3f}",
                f"{each.ratio.low:.3f} to {each.ratio.high:.3f}",
                each.ratio.verdict,
            ]
            for each in rows
        ],
    )


def main() -> int:
    arguments = _arguments()
    for told_to_end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(told_to_end, _leave)
    try:
        rows = _compare(arguments.base, arguments.head, arguments.rounds)
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if any(each.ratio.fails for each in rows) else 0


def _compare(base: str, head: str | None, rounds: int) -> list[Row]:
    """Measures, and prints what came out with what it has to be read with."""
    layout = find_layout()
    facts = machine()
    commits = {BASE: trees.commit(layout.root, base)}
    if head is not None:
        commits[HEAD] = trees.commit(layout.root, head)
    head_name = commits.get(HEAD, f"the working tree, {facts.pop('commit')}")
    facts |= {BASE: commits[BASE], HEAD: head_name, "rounds": str(rounds)}
    with started() as bench, _versions(layout.root, commits, bench.load.folder) as versions:
        for tree in versions.values():
            trees.require_own(layout.python("gateway"), tree)
        rows = measure(bench, versions, rounds)
    lines = "\n".join(f"* {name}: {value}" for name, value in facts.items())
    sys.stdout.write(f"{lines}\n\n{markdown(rows)}\n")
    return rows


@contextmanager
def _versions(root: Path, commits: Mapping[str, str], folder: Path) -> Generator[Mapping[str, Path], None, None]:
    """Their trees; the head's is the working tree where it is no commit."""
    with ExitStack() as stack:
        checked_out = {
            name: stack.enter_context(trees.checked_out(root, commit, folder / f"{name}-tree"))
            for name, commit in commits.items()
        }
        yield {HEAD: root, **checked_out}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Compares two versions.")
    parser.add_argument("base", help="any revision of git")
    parser.add_argument("head", nargs="?", help="another one; the working tree as it is, unless given")
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help=f"{FEWEST} at least")
    return parser.parse_args()


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < FEWEST:
        raise argparse.ArgumentTypeError(f"{FEWEST} at least: with fewer there is no interval of {CONFIDENCE:.0%}")
    return rounds


def _leave(*_: object) -> None:
    """Whatever was started ends, and what was checked out goes, also when this is told to end."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
