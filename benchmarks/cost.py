"""What a token and a request cost the one program that is measured: flooded, paced, and by requests of one token.

Flooded is fitted over answers of three lengths, since streams end and begin anew all the time; paced is read off while the
streams just run. The least CPU of the repeats counts, and the most is told beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.load import Load, Seen
from benchmarks.meter import Meter, Usage
from benchmarks.processes import Cores
from benchmarks.sources import FLOODED, Pace
from benchmarks.subjects import Subject

LENGTHS = (1, 50, 500)
WINDOW_S = 2.5
SETTLE_S = 0.4
"""After streams were opened, or were left to be aborted."""

PACE_MARGIN = 0.04
QUIET_LIMIT_S, QUIET_SHARE = 15.0, 0.1
REQUEST_STREAMS = 16
_REQUESTS = 800
_SEQUENTIAL = 150


@dataclass(frozen=True)
class Sample:
    """One run."""

    streams: int
    requests: int
    tokens: int
    usage: Usage
    seen: Seen

    @property
    def us_per_token(self) -> float:
        return self.usage.cpu_seconds / self.tokens * 1e6

    @property
    def us_per_request(self) -> float:
        return self.usage.cpu_seconds / self.requests * 1e6


@dataclass(frozen=True)
class TokenCost:
    """CPU a token in microseconds: the least and the most of the repeats. `asked_per_second`: the tokens that the pace asks
    for, None where it is none. `joined`: tokens in one event. `gap_most_ms` (the longest),
    `foreign` and `others_busy` (see Usage): the worst repeat."""

    subject: str
    pace: str
    streams: int
    us: float
    us_most: float
    tokens_per_second: int
    joined: float
    gap_p50_ms: float
    gap_p99_ms: float
    others_busy: float
    foreign: float
    workers: int = 1
    asked_per_second: float | None = None
    gap_most_ms: float | None = None

    @property
    def kept_pace(self) -> bool:
        """Whether the tokens came as they were asked for: the machine may not have had the time."""
        return self.asked_per_second is None or abs(self.tokens_per_second / self.asked_per_second - 1) < PACE_MARGIN


@dataclass(frozen=True)
class RequestCost:
    """CPU a request in microseconds: the least and the most of the repeats; `answer` is how long one took, the median."""

    subject: str
    kind: str
    streams: int
    us: float
    us_most: float
    requests_per_second: int
    answer_p50_ms: float
    answer_p99_ms: float
    others_busy: float
    foreign: float


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    load: Load
    cores: Cores

    def flooded(self, subject: Subject, streams: int, lengths: Sequence[int] = LENGTHS) -> list[Sample]:
        """As fast as it goes, in answers of each length."""
        subject.source.set(FLOODED)
        return [self._chats(subject, streams, length, _flooded_requests(streams, length)) for length in lengths]

    def paced(self, subject: Subject, pace: Pace, streams: int, seconds: float = WINDOW_S) -> Sample:
        """Streams that are open already and stay so, for so long."""
        subject.source.set(subject.opening)
        with self.load.held(subject.port, subject.model, streams=streams, tokens=subject.longest) as held:
            subject.source.set(pace)
            time.sleep(SETTLE_S)
            held.count_anew()
            meter = Meter(subject.program, self.cores)
            time.sleep(seconds)
            usage = meter.read()
            seen = held.seen()
        subject.source.set(FLOODED)
        _until_quiet(subject)
        return Sample(streams, streams, max(1, seen.tokens), usage, seen)

    def requests(self, subject: Subject, *, stream: bool) -> Sample:
        """Answers of one token, several at a time, on connections that stay open."""
        subject.source.set(FLOODED)
        return self._chats(subject, REQUEST_STREAMS, 1, _REQUESTS, stream=stream)

    def one_by_one(self, subject: Subject) -> Sample:
        """Streamed answers of one token, one after the other."""
        subject.source.set(FLOODED)
        return self._chats(subject, 1, 1, _SEQUENTIAL)

    def warm_up(self, subject: Subject) -> None:
        """What a program does only once is done with."""
        subject.source.set(FLOODED)
        self._chats(subject, 8, 20, 64)

    def _chats(self, subject: Subject, streams: int, length: int, requests: int, *, stream: bool = True) -> Sample:
        requests = max(1, requests // subject.slowness)
        streams = min(streams, requests)
        meter = Meter(subject.program, self.cores)
        seen = self.load.chat(
            subject.port,
            subject.model,
            streams=streams,
            requests=requests,
            tokens=length,
            stream=stream,
        )
        return Sample(streams, requests, requests * length, meter.read(), seen)


def _until_quiet(subject: Subject) -> None:
    """Some go on reading answers that nobody takes any more; the next run is not to pay for that."""
    deadline = time.monotonic() + QUIET_LIMIT_S
    while time.monotonic() < deadline:
        before = subject.program.cpu()
        time.sleep(SETTLE_S)
        if subject.program.cpu() - before <= SETTLE_S * QUIET_SHARE:
            return


def _flooded_requests(streams: int, length: int) -> int:
    """Enough for some tenths of a second."""
    return max(streams, {1: 512}.get(length, 128))


def fitted(subject: str, repeats: Sequence[Sequence[Sample]]) -> TokenCost:
    """The flooded runs of several repeats, each of the same lengths: CPU = a * requests + b * tokens, and this is b."""
    best = [min(samples, key=lambda sample: sample.us_per_request) for samples in zip(*repeats, strict=True)]
    longest = [samples[-1] for samples in repeats]
    return _token_cost(subject, FLOODED.name, slope(best), max(map(slope, repeats)), longest)


def read_off(subject: str, pace: Pace, repeats: Sequence[Sample]) -> TokenCost:
    """The paced runs of several repeats."""
    each = [sample.us_per_token for sample in repeats]
    row = _token_cost(subject, pace.name, min(each), max(each), repeats)
    return replace(row, asked_per_second=pace.per_second(row.streams))


def slope(samples: Sequence[Sample]) -> float:
    """Microseconds a token, without what the requests cost."""
    lengths = [sample.tokens / sample.requests for sample in samples]
    return statistics.linear_regression(lengths, [sample.us_per_request for sample in samples]).slope


def _token_cost(subject: str, pace: str, least: float, most: float, samples: Sequence[Sample]) -> TokenCost:
    return TokenCost(
        subject=subject,
        pace=pace,
        streams=samples[0].streams,
        us=round(least, 1),
        us_most=round(most, 1),
        tokens_per_second=round(max(sample.seen.tokens / sample.seen.seconds for sample in samples)),
        joined=round(statistics.median(_joined(sample) for sample in samples), 2),
        gap_p50_ms=statistics.median(sample.seen.gap_p50_ms for sample in samples),
        gap_p99_ms=statistics.median(sample.seen.gap_p99_ms for sample in samples),
        others_busy=max(sample.usage.others_busy for sample in samples),
        foreign=max(sample.usage.foreign for sample in samples),
        gap_most_ms=longest_gap(sample.seen for sample in samples),
    )


def longest_gap(runs: Iterable[Seen]) -> float | None:
    """Of all runs, because no other figure shows what stops all streams once; None where it was not measured."""
    return max((seen.gap_most_ms for seen in runs if seen.gap_most_ms is not None), default=None)


def _joined(sample: Sample) -> float:
    """Tokens in an event, but for the two that open and end an answer."""
    return sample.tokens / max(1, sample.seen.events - 2 * sample.seen.answers)


def request_cost(subject: str, kind: str, repeats: Sequence[Sample]) -> RequestCost:
    """The runs of requests of several repeats."""
    each = [sample.us_per_request for sample in repeats]
    return RequestCost(
        subject=subject,
        kind=kind,
        streams=repeats[0].streams,
        us=round(min(each)),
        us_most=round(max(each)),
        requests_per_second=round(max(sample.requests / sample.seen.seconds for sample in repeats)),
        answer_p50_ms=statistics.median(sample.seen.answer_p50_ms for sample in repeats),
        answer_p99_ms=statistics.median(sample.seen.answer_p99_ms for sample in repeats),
        others_busy=max(sample.usage.others_busy for sample in repeats),
        foreign=max(sample.usage.foreign for sample in repeats),
    )
