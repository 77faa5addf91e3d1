"""The whole way on the real Triton, with the replay engine: what a token costs in each process, by which way of travel, and
what the gateway adds to the time of a direct gRPC client.

    python -m benchmarks.whole [--repeat 2]

The gateway has the first core, the load generator the others; Triton runs where it finds room, as a server does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import system
from benchmarks.cost import SETTLE_S, WINDOW_S, Bench
from benchmarks.environment import say, started
from benchmarks.load import SLOWLY, Held, Seen, held_open, seen_by
from benchmarks.pooling import Pooling, measure_pooling, pooling_table
from benchmarks.system import MODEL, Gateway, RunLayout, Triton
from benchmarks.table import table
from benchmarks.triton_client import DIRECT, OFFICIAL, SESSION
from benchmarks.triton_source import WORD
from gateway.cli.layout import find_layout

STREAMS = (32, 128)
LATENCY_STREAMS = 128
_SEQUENTIAL = 200
_STEP_S = 0.02
_SCRIPT = (
    {"prompt": SLOWLY, "text": WORD * 2000, "step_seconds": _STEP_S},
    {"text": WORD * 2000, "step_seconds": 0.0},
)


@dataclass(frozen=True)
class PathCost:
    """CPU a token in microseconds, in the run whose sum is the least; `most` is the sum of the dearest. `joined`: tokens in
    one event, or in one response where there is no gateway. `gap_most_ms`: the longest of all runs."""

    way: str
    streams: int
    gateway: float
    tritonserver: float
    stub: float
    total: float
    most: float
    joined: float
    tokens_per_second: int
    gap_p50_ms: float
    gap_p99_ms: float
    gap_most_ms: float | None = None


@dataclass(frozen=True)
class Added:
    """Milliseconds by a direct gRPC client and through the gateway, medians of the repeats."""

    what: str
    direct_p50: float
    direct_p99: float
    gateway_p50: float
    gateway_p99: float

    @property
    def added_p50(self) -> float:
        return self.gateway_p50 - self.direct_p50

    @property
    def added_p99(self) -> float:
        return self.gateway_p99 - self.direct_p99


@dataclass(frozen=True)
class Whole:
    """All that was measured on the real Triton."""

    paths: list[PathCost]
    added: list[Added]
    pooling: list[Pooling]


FIRST_TOKEN, FIRST_OF_MANY = "first token, one client", f"first token, {LATENCY_STREAMS} clients at once"
BETWEEN_TOKENS = f"between tokens, {LATENCY_STREAMS} streams"


def measure(bench: Bench, repeats: int) -> Whole:
    """Everything on one Triton, with a gateway for each way of travel before it."""
    say("the real Triton starts")
    layout = _layout(bench.load.folder / "triton")
    with (
        system.triton(layout) as server,
        _gateway(bench, server, "auto") as by_session,
        _gateway(bench, server, "direct") as directly,
    ):
        whole = _OnTriton(bench, server, {SESSION: by_session, DIRECT: directly})
        paths: dict[tuple[str, int], list[PathCost]] = {}
        firsts: list[tuple[Seen, Seen]] = []
        bursts: list[tuple[Seen, Seen]] = []
        gaps: list[tuple[Seen, Seen]] = []
        for number in range(repeats):
            say(f"the real Triton, round {number + 1} of {repeats}")
            for streams in STREAMS:
                for way in (SESSION, DIRECT, OFFICIAL):
                    paths.setdefault((way, streams), []).append(whole.path(way, streams))
            firsts.append(whole.first_tokens(1, _SEQUENTIAL))
            bursts.append(whole.first_tokens(LATENCY_STREAMS, LATENCY_STREAMS * 2))
            gaps.append(whole.gaps())
        say("embeddings and moderations")
        return Whole(
            [_least(each) for each in paths.values()],
            [
                _added(FIRST_TOKEN, firsts, lambda seen: (seen.first_p50_ms, seen.first_p99_ms)),
                _added(FIRST_OF_MANY, bursts, lambda seen: (seen.first_p50_ms, seen.first_p99_ms)),
                _added(BETWEEN_TOKENS, gaps, lambda seen: (seen.gap_p50_ms, seen.gap_p99_ms)),
            ],
            measure_pooling(bench, by_session),
        )


def _layout(folder: Path) -> RunLayout:
    folder.mkdir()
    layout = RunLayout(find_layout().root, folder)
    system.write_backends(layout)
    system.add_script(layout, _SCRIPT)
    system.add_models(layout, system.PYTORCH_MODELS)
    return layout


@contextmanager
def _gateway(bench: Bench, server: Triton, travel: str) -> Generator[Gateway, None, None]:
    with system.gateway(
        server.port,
        bench.load.folder,
        on=bench.cores.measured,
        name=f"gateway-{travel}",
        settings={"TRITON_GATEWAY_TRAVEL": travel},
    ) as started_one:
        yield started_one


@dataclass(frozen=True)
class _OnTriton:
    bench: Bench
    server: Triton
    gateways: dict[str, Gateway]

    def path(self, way: str, streams: int) -> PathCost:
        """Paced, by the gateway or, for NVIDIA's own protocol, without one."""
        gateway = self.gateways.get(way)
        with self._held(way, gateway, streams) as held:
            time.sleep(SETTLE_S)
            held.count_anew()
            before = self.server.cpu(gateway)
            time.sleep(WINDOW_S)
            used = self.server.cpu(gateway) - before
            seen = held.seen()
        time.sleep(SETTLE_S)
        each = [round(seconds / max(1, seen.tokens) * 1e6, 1) for seconds in (used.gateway, used.triton, used.stub)]
        return PathCost(
            way=way,
            streams=streams,
            gateway=each[0],
            tritonserver=each[1],
            stub=each[2],
            total=round(sum(each), 1),
            most=round(sum(each), 1),
            joined=round(seen.tokens / max(1, seen.events), 2),
            tokens_per_second=round(seen.tokens / seen.seconds),
            gap_p50_ms=seen.gap_p50_ms,
            gap_p99_ms=seen.gap_p99_ms,
            gap_most_ms=seen.gap_most_ms,
        )

    def first_tokens(self, streams: int, requests: int) -> tuple[Seen, Seen]:
        """So many at a time: by a direct client, and through the gateway."""
        direct = seen_by(self._client(DIRECT, streams, requests))
        port = self.gateways[SESSION].port
        return direct, self.bench.load.chat(port, MODEL, streams=streams, requests=requests, tokens=1)

    def gaps(self) -> tuple[Seen, Seen]:
        """Many at once, both by session: the direct client has the same steps from the same Triton."""
        return self._window(SESSION, None), self._window(SESSION, self.gateways[SESSION])

    def _window(self, way: str, gateway: Gateway | None) -> Seen:
        with self._held(way, gateway, LATENCY_STREAMS) as held:
            time.sleep(SETTLE_S)
            held.count_anew()
            time.sleep(WINDOW_S)
            seen = held.seen()
        time.sleep(SETTLE_S)
        return seen

    @contextmanager
    def _held(self, way: str, gateway: Gateway | None, streams: int) -> Generator[Held, None, None]:
        if gateway is None:
            with held_open(self._client(way, streams, 0)) as held:
                yield held
        else:
            with self.bench.load.held(gateway.port, MODEL, streams=streams, prompt=SLOWLY) as held:
                yield held

    def _client(self, way: str, streams: int, requests: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.triton_client", f"127.0.0.1:{self.server.port}", way]
        command += [str(streams), str(requests)]
        return subprocess.Popen(command, cwd=find_layout().root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _least(repeats: Sequence[PathCost]) -> PathCost:
    return replace(
        min(repeats, key=lambda each: each.total),
        most=max(each.total for each in repeats),
        gap_most_ms=max(each.gap_most_ms or 0.0 for each in repeats),
    )


def _added(what: str, repeats: Sequence[tuple[Seen, Seen]], times: Callable[[Seen], tuple[float, float]]) -> Added:
    values = [(*times(direct), *times(through)) for direct, through in repeats]
    return Added(what, *(round(statistics.median(column), 3) for column in zip(*values, strict=True)))


def path_table(rows: Sequence[PathCost]) -> str:
    head = [
        "on the real Triton, paced",
        "streams",
        "gateway",
        "tritonserver",
        "stub",
        "sum",
        "most",
        "joined",
        "tokens/s",
    ]
    head += ["gap p50 ms", "p99 ms", "longest"]
    names = {OFFICIAL: "NVIDIA's protocol, no gateway"}
    return table(
        head,
        [
            [
                names.get(row.way, row.way),
                row.streams,
                None if row.way == OFFICIAL else row.gateway,
                row.tritonserver,
                row.stub,
                row.total,
                row.most,
                row.joined,
                row.tokens_per_second,
                row.gap_p50_ms,
                row.gap_p99_ms,
                row.gap_most_ms,
            ]
            for row in sorted(rows, key=lambda row: row.streams)
        ],
    )


def added_table(rows: Sequence[Added]) -> str:
    head = ["time, ms", "direct p50", "p99", "gateway p50", "p99", "added p50", "p99"]
    return table(
        head,
        [
            [
                row.what,
                row.direct_p50,
                row.direct_p99,
                row.gateway_p50,
                row.gateway_p99,
                round(row.added_p50, 2),
                round(row.added_p99, 2),
            ]
            for row in rows
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=2)
    arguments = parser.parse_args()
    with started() as bench:
        whole = measure(bench, arguments.repeat)
    tables = [path_table(whole.paths), added_table(whole.added), pooling_table(whole.pooling)]
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
