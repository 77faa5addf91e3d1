"""The product, vLLM's own server, the official way of travel and the engine alone, on one GPU, taking turns.

    python3 -m benchmarks.gpu.run [--passes 5] [--streams 1 64 256] [--json FILE]

After install.py, with the same Python. All arms (arms.py) run at the same time and are loaded one after the other, in
another order in each pass, so that whatever changes on the machine meets all of them; the ratio to `vllm serve` is taken
within a pass.
A load: unique prompts of about 120 tokens, 128 tokens of answer each, streamed, a new request as soon as one ends.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.gpu.arms import Arm, Server, Workshop, cpu
from benchmarks.gpu.gather import MODEL
from benchmarks.gpu.install import CLIENT
from benchmarks.gpu.stacks import record
from benchmarks.gpu.table import Result, table
from gateway.cli.layout import find_layout

ARGUMENTS: dict[str, Any] = {
    "max_model_len": 2048,
    "dtype": "bfloat16",
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "gpu_memory_utilization": 0.2,
    "enable_prefix_caching": False,
}
"""The same for every engine. Five of them fit on the GPU."""
ROUNDS = {1: 10, 64: 8, 256: 4}
"""Requests a stream, by how many streams there are; a few seconds each."""
MOST_SECONDS = 8.0
"""An arm that would take longer, at the rate of its warm-up, gets fewer requests, but one a stream at least."""
TOKENS = 128
TIMES = ("first_p50_ms", "first_p99_ms", "gap_p50_ms", "gap_p99_ms", "gap_most_ms")
_PROMPTS = 512
_WORDS = 112
_VOCABULARY = (
    "time year people way day man thing woman life child world school state family student group country problem hand part"
    " place case week company system program question work government number night point home water room mother area money"
    " story fact month lot right study book eye job word business issue side kind head house service friend father power"
    " hour game line end member law car city community name president team minute idea body information back parent face"
    " others level office door health person art war history party result change morning reason research girl guy moment"
    " air teacher force education"
).split()


def main() -> int:
    arguments = _arguments()
    # So that what was started is ended, too.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        folder = arguments.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gpu-")))
        folder.mkdir(parents=True, exist_ok=True)
        arms = _start(arguments, folder, stack)
        results = _measure(arms, arguments)
        say(table(results))
        if arguments.profile:
            # The reference and the first of the product's.
            for arm in arms[:2]:
                record(arm, arguments.profile, max(arguments.streams), folder)
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def _write(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    if arguments.json:
        document = {"machine": _machine(), "engine": ARGUMENTS | arguments.engine}
        document["results"] = [asdict(result) for result in results]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


def _start(arguments: argparse.Namespace, folder: Path, stack: ExitStack) -> list[Arm]:
    """The arms that are asked for, one after the other: an engine looks at the GPU's free memory when it starts."""
    layout = find_layout()
    bodies = folder / "bodies"
    bodies.write_text("".join(f"{json.dumps(body)}\n" for body in _bodies()))
    client = layout.cache / CLIENT
    workshop = Workshop(layout, folder, ARGUMENTS | arguments.engine, arguments.device, bodies, client, stack)
    arms: list[Arm] = []

    def add(make: Callable[[], Arm]) -> None:
        began = time.monotonic()
        try:
            arm = make()
            said = arm.check() if isinstance(arm, Server) else ""
        except RuntimeError as error:
            # What the others do is worth knowing all the same.
            say(f"does not start, and is left out: {error}")
            return
        say(f"{arm.name} is up after {time.monotonic() - began:.0f} s. {said}")
        arms.append(arm)

    def add_gateways(name: str, backend: str, travel: str, workers: Sequence[int]) -> None:
        triton = workshop.triton(name, backend)
        for count in workers:
            named = f"{name}, {count} workers" if count > 1 else f"{name}, 1 worker"
            add(lambda named=named, count=count: workshop.gateway(named, triton, count, travel))

    if "vllm" in arguments.arms:
        add(lambda: workshop.vllm_serve(1))
    if "product" in arguments.arms:
        add_gateways("product", "vllm_custom", "auto", arguments.workers)
    if "official" in arguments.arms:
        add_gateways("official", "one_by_one", "direct", arguments.workers[-1:])
    if "alone" in arguments.arms:
        add(workshop.alone)
    if arguments.api_processes > 1:
        add(lambda: workshop.vllm_serve(arguments.api_processes))
    return arms


def _measure(arms: list[Arm], arguments: argparse.Namespace) -> list[Result]:
    most: dict[str, int] = {}
    for arm in arms:
        # The first touch of every size of a batch, and what each process builds when it is first used.
        seen = arm.load(max(arguments.streams), max(arguments.streams))
        most[arm.name] = round(seen["answers"] / seen["seconds"] * MOST_SECONDS)
    results: list[Result] = []
    for number in range(arguments.passes):
        for streams in arguments.streams:
            for arm in _turned(arms, number):
                try:
                    requests = round(streams * ROUNDS.get(streams, 8) * arguments.rounds)
                    result = _one(number, arm, streams, max(streams, min(requests, most[arm.name])))
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    say(f"{arm.name} with {streams} streams has failed: {error}")
                    continue
                say(str(result))
                results.append(result)
        _write(results, arguments)
    return results


def _turned(arms: Sequence[Arm], number: int) -> list[Arm]:
    order = [*arms[number % len(arms) :], *arms[: number % len(arms)]]
    return order[::-1] if number % 2 else order


def _one(number: int, arm: Arm, streams: int, requests: int) -> Result:
    before = cpu(arm)
    seen = arm.load(streams, requests)
    used = {kind: value - before.get(kind, 0.0) for kind, value in cpu(arm).items()}
    if seen["tokens"] != requests * TOKENS:
        raise RuntimeError(f"{arm.name}: {seen['tokens']} tokens came of {requests * TOKENS}")
    seconds = seen["seconds"]
    return Result(
        number=number,
        arm=arm.name,
        streams=streams,
        tokens_per_second=round(seen["tokens"] / seconds, 1),
        **{name: seen[name] for name in TIMES},
        joined=round(seen["tokens"] / max(1, seen["events"]), 3),
        client_cores=round(seen["cpu_seconds"] / seconds, 3),
        cores={kind: round(value / seconds, 3) for kind, value in used.items()},
    )


def _bodies() -> list[dict[str, Any]]:
    """Different prompts of the same length, so that nothing is shared between them."""
    chance = random.Random(7)
    fixed: dict[str, Any] = {"model": MODEL, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}
    fixed["stream_options"] = {"include_usage": True}
    prompts = (" ".join(["Write a story with", *chance.choices(_VOCABULARY, k=_WORDS)]) for _ in range(_PROMPTS))
    return [fixed | {"prompt": prompt} for prompt in prompts]


def _machine() -> dict[str, Any]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        gpus = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split("\n")
    except FileNotFoundError:
        gpus = []
    return {
        "gpus": [each for each in gpus if each],
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="+", default=list(ROUNDS))
    parser.add_argument("--rounds", type=float, default=1.0, help="times as many requests")
    parser.add_argument("--arms", nargs="+", default=["vllm", "product", "official", "alone"])
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 4], help="the gateways before the product's Triton"
    )
    parser.add_argument("--api-processes", type=int, default=1, help="above 1, a second vllm serve with so many")
    parser.add_argument("--device", default="0", help="CUDA_VISIBLE_DEVICES of all engines")
    parser.add_argument("--engine", type=json.loads, default={}, help="engine arguments to change, as JSON")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--profile", metavar="PY-SPY", help="record the first two arms under a further load, which is not counted"
    )
    parser.add_argument("--logs", type=Path, help="where the programs' logs go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
