"""The results as one table: medians over the passes, and how far the passes lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

REFERENCE = "vllm serve"


@dataclass(frozen=True)
class Result:
    """One load on one arm. `cores`: what each kind of process has used, in cores; `joined`: tokens in one event."""

    number: int
    arm: str
    streams: int
    tokens_per_second: float
    first_p50_ms: float
    first_p99_ms: float
    gap_p50_ms: float
    gap_p99_ms: float
    joined: float
    client_cores: float
    cores: dict[str, float] = field(default_factory=dict[str, float])
    gap_most_ms: float = 0.0


def ratios(results: Sequence[Result], arm: str, streams: int) -> list[float]:
    """Tokens per second over the reference's in the same pass."""
    rates = {(each.number, each.arm): each.tokens_per_second for each in results if each.streams == streams}
    passes = sorted({number for number, name in rates if name == arm and (number, REFERENCE) in rates})
    return [rates[number, arm] / rates[number, REFERENCE] for number in passes]


def table(results: Sequence[Result]) -> str:
    """Markdown. A spread is least to most over the passes, and the longest gap is that of all passes."""
    rows = [
        "| streams | arm | tokens/s | spread | to vllm serve | spread | first p50 | p99 | gap p50 | p99 | longest | joined "
        "| cores |",
        "| --: | --- | --: | --- | --: | --- | --: | --: | --: | --: | --: | --: | --- |",
    ]
    arms = list(dict.fromkeys(each.arm for each in results))
    for streams in sorted({each.streams for each in results}):
        rows += [_row(results, arm, streams) for arm in arms if any(_of(results, arm, streams))]
    return "\n".join(rows)


def _of(results: Sequence[Result], arm: str, streams: int) -> list[Result]:
    return [each for each in results if each.arm == arm and each.streams == streams]


def _row(results: Sequence[Result], arm: str, streams: int) -> str:
    own = _of(results, arm, streams)
    rates = [each.tokens_per_second for each in own]
    compared = ratios(results, arm, streams)
    ratio, spread = ("-", "-")
    if compared:
        ratio, spread = f"{median(compared):.2f}", f"{min(compared):.2f} to {max(compared):.2f}"
    cells = [
        str(streams),
        arm,
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        ratio,
        spread,
        f"{median(each.first_p50_ms for each in own):.1f} ms",
        f"{median(each.first_p99_ms for each in own):.1f} ms",
        f"{median(each.gap_p50_ms for each in own):.2f} ms",
        f"{median(each.gap_p99_ms for each in own):.1f} ms",
        f"{max(each.gap_most_ms for each in own):.0f} ms",
        f"{median(each.joined for each in own):.2f}",
        _cores(own),
    ]
    return f"| {' | '.join(cells)} |"


def _cores(own: Sequence[Result]) -> str:
    kinds = list(dict.fromkeys(kind for each in own for kind in each.cores))
    used = {kind: median(each.cores.get(kind, 0.0) for each in own) for kind in kinds}
    return ", ".join(f"{kind} {value:.2f}" for kind, value in used.items() if value >= 0.05)
