"""What a streamed token costs: CPU of the gateway, of tritonserver and of the stub, by session and by direct travel.

    .cache/envs/dev/bin/python -m benchmarks.travel [--streams 1 8 32 128] [--repeat 2] [--json FILE]

The real Triton with the replay engine, the gateway before it, and a load client in C, over HTTP, on this machine. Paced:
each stream gets a token every 20 ms, all in the same step, as from an engine. Flooded: as fast as it goes. The figure is
CPU time (user and system, all threads) by tokens, requests included, in the least disturbed of the repeats, which take
turns: paced that with the shortest gaps, flooded that with the least CPU. CPU stays meaningful on a busy machine where rates
do not, but read no differences below 15 %. `joined` tells how many tokens came in one event: where a process does not get
the CPU in time tokens gather, and the cost of each looks small. The floor is a program in C that writes the same events to
the same client, one write an event.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.system import MODEL, Cpu, System, free_ports, system, work_folder

TRAVELS = {"direct": "direct", "session": "auto"}
"""Names here, and the gateway's setting."""
PACES = {"paced": 0.02, "flooded": 0.0}
PACED_TOKENS = 150
FLOODED_TOKENS = 60_000
"""Of all streams together."""

_TEXT = " one two three four five six seven eight nine ten" * 7000


@dataclass(frozen=True)
class Result:
    """One run. Times in microseconds a token, but where the name says otherwise."""

    travel: str
    pace: str
    streams: int
    tokens: int
    gateway: float
    triton: float
    stub: float
    total: float
    tokens_per_second: float
    events: int
    first_p50_ms: float
    gap_p99_ms: float


def main() -> int:
    arguments = _arguments()
    if shutil.which("cc") is None:
        sys.stderr.write("a C compiler (cc) is needed for the load client\n")
        return 1
    with work_folder() as folder:
        client, source = (_build(folder, name) for name in ("sse_client", "sse_source"))
        results: list[Result] = []
        for pace in arguments.pace:
            results += [_floor(source, client, pace, streams, folder) for streams in arguments.streams]
            results += _measure(pace, arguments, client, folder)
    print(_table(results))
    if arguments.json:
        machine = {"cpus": psutil.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "results": [asdict(r) for r in results]}, indent=1))
    return 0


def _measure(pace: str, arguments: argparse.Namespace, client: Path, folder: Path) -> list[Result]:
    runs: dict[tuple[str, int], list[Result]] = {}
    script = [{"text": _TEXT, "step_seconds": PACES[pace]}]
    for _ in range(arguments.repeat):
        for travel in arguments.travel:
            with system(
                script, folder=folder, gateway_environment={"TRITON_GATEWAY_TRAVEL": TRAVELS[travel]}
            ) as running:
                _run(running, client, "warm-up", pace, 4, 50)
                for streams in arguments.streams:
                    result = _run(running, client, travel, pace, streams, _tokens(pace, streams))
                    runs.setdefault((travel, streams), []).append(result)
                    sys.stderr.write(f"{result}\n")
    return [min(each, key=_disturbance) for each in runs.values()]


def _tokens(pace: str, streams: int) -> int:
    return PACED_TOKENS if pace == "paced" else max(1, FLOODED_TOKENS // streams)


def _floor(source: Path, client: Path, pace: str, streams: int, folder: Path) -> Result:
    """The same events from a program in C that does nothing but write them, in the gateway's column."""
    [port] = free_ports(1)
    tokens = _tokens(pace, streams)
    body = folder / "body.json"
    body.write_text("{}")
    command = [source, str(port), str(streams), str(tokens), str(round(PACES[pace] * 1000))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as serving:
        said = _ask(client, port, streams, body)
        output, _ = serving.communicate(timeout=60)
    used = json.loads(output)["microseconds_an_event"] / 1e6 * tokens * streams
    return _result("floor", pace, streams, tokens * streams, Cpu(used, 0, 0), said)


def _disturbance(result: Result) -> float:
    return result.gap_p99_ms if result.pace == "paced" else result.total


def _run(running: System, client: Path, travel: str, pace: str, streams: int, tokens: int) -> Result:
    body = running.folder / "body.json"
    message = {"role": "user", "content": "Tell me about the sea."}
    body.write_text(json.dumps({"model": MODEL, "stream": True, "max_tokens": tokens, "messages": [message]}))
    before = running.cpu()
    said = _ask(client, running.port, streams, body)
    return _result(travel, pace, streams, tokens * streams, running.cpu() - before, said)


def _ask(client: Path, port: int, streams: int, body: Path) -> dict[str, Any]:
    """What the load client has seen. Tries again while nobody listens."""
    command = [client, str(port), str(streams), "/v1/chat/completions", body]
    done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    for _ in range(50):
        if done.returncode == 0:
            break
        time.sleep(0.1)
        done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    else:
        raise RuntimeError(done.stderr.decode())
    said: dict[str, Any] = json.loads(done.stdout)
    if said["errors"]:
        raise RuntimeError(f"{said['errors']} streams had no end")
    return said


def _result(travel: str, pace: str, streams: int, tokens: int, used: Cpu, said: dict[str, Any]) -> Result:
    def each(seconds: float) -> float:
        return round(seconds / tokens * 1e6, 1)

    return Result(
        travel=travel,
        pace=pace,
        streams=streams,
        tokens=tokens,
        gateway=each(used.gateway),
        triton=each(used.triton),
        stub=each(used.stub),
        total=each(used.total),
        tokens_per_second=round(tokens / said["seconds"]),
        events=said["events"],
        first_p50_ms=said["first_p50_ms"],
        gap_p99_ms=said["gap_p99_ms"],
    )


def _table(results: Sequence[Result]) -> str:
    rows = [
        "| pace | streams | travel | gateway | tritonserver | stub | sum | joined | tokens/s | first p50 | gap p99 |",
        "| --- | --: | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    results = sorted(results, key=lambda result: (result.pace, result.streams, result.travel))
    return "\n".join([*rows, *map(_row, results)])


def _row(one: Result) -> str:
    return (
        f"| {one.pace} | {one.streams} | {one.travel} | {one.gateway} | {one.triton} | {one.stub} | {one.total}"
        f" | {one.tokens / one.events:.1f} | {one.tokens_per_second} | {one.first_p50_ms} ms | {one.gap_p99_ms} ms |"
    )


def _build(folder: Path, name: str) -> Path:
    program = folder / name
    subprocess.run(["cc", "-O2", "-o", program, Path(__file__).with_name(f"{name}.c")], check=True)
    return program


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--travel", nargs="+", default=list(TRAVELS), choices=TRAVELS)
    parser.add_argument("--pace", nargs="+", default=list(PACES), choices=PACES)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
