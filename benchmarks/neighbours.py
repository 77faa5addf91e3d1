"""What a saturated language model does to the embedder beside it, and what the thread settings do about that.

    .cache/envs/dev/bin/python -m benchmarks.neighbours [--settings NAME …] [--requests 400] [--repeat 1]

The real Triton with real vLLM (SmolLM2-135M) and the real embedder (all-minilm-l6-v2), and the gateway before them, over
HTTP, on this machine. One client asks for an embedding of a short text every 50 ms, one at a time, first alone, then
beside 16 streams that the model is never without; the answer is the ratio of the two 99th percentiles.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import work_folder
from benchmarks.repository import CHAT_MODEL, EMBEDDING_MODEL, add_chat_model, add_embedder
from benchmarks.system import RunLayout, System, serving, write_backends
from gateway.cli.layout import find_layout

STREAMS = 16
PERIOD_S = 0.05
_READY_LIMIT_S = 300.0
_SETTLE_S = 5.0
_TEXT = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so every day."


@dataclass(frozen=True)
class Settings:
    """One way to set threads: Triton's environment, the object `vllm_custom`, the embedder's parameters."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    chat: Mapping[str, Any] = field(default_factory=dict[str, Any])
    embedder: Mapping[str, str] = field(default_factory=dict[str, str])


TWO_THREADS = {"INTRA_OP_THREAD_COUNT": "2"}
SETTINGS = {
    "shipped": Settings(),
    "shipped, and the model nice": Settings(chat={"nice": 10}),
    "embedder with two threads": Settings(embedder=TWO_THREADS),
    # How OpenMP's threads wait where nobody says anything: 300,000 turns of a loop.
    "two threads that spin": Settings(environment={"GOMP_SPINCOUNT": "300000"}, embedder=TWO_THREADS),
}


@dataclass(frozen=True)
class Result:
    """Times of the embedder in milliseconds; what the language model made of its share, and the longest time between two
    tokens of one of its streams."""

    settings: str
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float
    ratio_p99: float
    tokens_per_second: float
    longest_gap: float


def main() -> int:
    arguments = _arguments()
    results: list[Result] = []
    for _ in range(arguments.repeat):
        for name in arguments.settings:
            results.append(_measure(name, SETTINGS[name], arguments.requests))
            sys.stderr.write(f"{results[-1]}\n")
    print(_table(results))
    if arguments.json:
        machine = {"cpus": psutil.cpu_count(), "load": psutil.getloadavg()}
        arguments.json.write_text(json.dumps({"machine": machine, "results": [asdict(r) for r in results]}, indent=1))
    return 0


def _measure(name: str, settings: Settings, requests: int) -> Result:
    with work_folder() as folder:
        layout = RunLayout(find_layout().root, folder)
        write_backends(layout)
        add_chat_model(layout, vllm_custom=dict(settings.chat))
        add_embedder(layout, settings.embedder)
        environment = dict(settings.environment)
        with serving(layout, triton_environment=environment, ready_limit_s=_READY_LIMIT_S) as running:
            _embed(running.port, 40)
            alone = _embed(running.port, requests)
            with _saturated(running) as progress:
                time.sleep(_SETTLE_S)
                before, started = progress.count(), time.monotonic()
                progress.longest = 0.0
                beside = _embed(running.port, requests)
                rate = (progress.count() - before) / (time.monotonic() - started)
    p99 = (_quantile(alone, 0.99), _quantile(beside, 0.99))
    return Result(
        settings=name,
        alone_p50=round(_quantile(alone, 0.5), 1),
        alone_p99=round(p99[0], 1),
        beside_p50=round(_quantile(beside, 0.5), 1),
        beside_p99=round(p99[1], 1),
        ratio_p99=round(p99[1] / p99[0], 1),
        tokens_per_second=round(rate),
        longest_gap=round(progress.longest * 1000, 1),
    )


def _embed(port: int, requests: int) -> list[float]:
    """Milliseconds that each answer took."""
    body = json.dumps({"model": EMBEDDING_MODEL, "input": _TEXT})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times: list[float] = []
    due = time.monotonic()
    for _ in range(requests):
        time.sleep(max(0.0, due - time.monotonic()))
        asked = time.monotonic()
        connection.request("POST", "/v1/embeddings", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"an embedding failed with status {answer.status}")
        times.append((time.monotonic() - asked) * 1000)
        due = max(due + PERIOD_S, time.monotonic())
    connection.close()
    return times


@dataclass
class _Progress:
    """Of all streams: tokens by stream, and the longest seconds between two tokens of one."""

    counts: list[int]
    failures: list[Exception]
    longest: float = 0.0

    def count(self) -> int:
        """The tokens so far. Raises RuntimeError when a stream has failed."""
        if self.failures:
            raise RuntimeError("a stream failed") from self.failures[0]
        return sum(self.counts)


@contextmanager
def _saturated(running: System) -> Generator[_Progress, None, None]:
    """16 streams at a time, a new one as soon as one ends."""
    stopping = threading.Event()
    progress = _Progress([0] * STREAMS, [])

    def stream(number: int) -> None:
        try:
            while not stopping.is_set():
                last = None
                for at in _tokens(running.port, number, stopping):
                    progress.counts[number] += 1
                    progress.longest = max(progress.longest, 0.0 if last is None else at - last)
                    last = at
        except Exception as error:  # noqa: BLE001  raised by the one who asks for the count
            progress.failures.append(error)

    threads = [threading.Thread(target=stream, args=(number,), daemon=True) for number in range(STREAMS)]
    for thread in threads:
        thread.start()
    try:
        yield progress
    finally:
        stopping.set()
        for thread in threads:
            thread.join(30)


def _tokens(port: int, number: int, stopping: threading.Event) -> Generator[float, None, None]:
    """When each token came."""
    messages = [{"role": "user", "content": f"Tell me story number {number}."}]
    body = {"model": CHAT_MODEL, "messages": messages, "stream": True, "max_tokens": 256, "ignore_eos": True}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"a stream was refused with status {answer.status}")
    for line in answer:
        if stopping.is_set():
            break
        if line.startswith(b"data: {"):
            yield time.monotonic()
    connection.close()


def _quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def _table(results: Sequence[Result]) -> str:
    rows = [
        "| settings | alone p50 | alone p99 | beside p50 | beside p99 | ratio of p99 | tokens/s of the model "
        "| longest gap |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    return "\n".join([*rows, *map(_row, sorted(results, key=lambda each: list(SETTINGS).index(each.settings)))])


def _row(one: Result) -> str:
    return (
        f"| {one.settings} | {one.alone_p50} ms | {one.alone_p99} ms | {one.beside_p50} ms | {one.beside_p99} ms"
        f" | {one.ratio_p99} | {one.tokens_per_second} | {one.longest_gap} ms |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
