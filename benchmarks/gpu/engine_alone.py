"""vLLM's AsyncLLM in one process, without server and transport: what could be had at most.

    python engine_alone.py ENGINE-ARGUMENTS.json BODIES

Run in the backend's environment. Says `ready`; then, for each line `STREAMS REQUESTS` on standard input, generates, and
prints the figures as client.c does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM


class Watch:
    """The times of one load."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.gap: list[float] = []
        self.answer: list[float] = []
        self.tokens = 0


async def generate(llm: AsyncLLM, body: dict[str, Any], number: int, watch: Watch) -> None:
    params = SamplingParams(
        max_tokens=body["max_tokens"],
        temperature=body["temperature"],
        ignore_eos=body["ignore_eos"],
        output_kind=RequestOutputKind.DELTA,
    )
    began = last = time.perf_counter()
    async for output in llm.generate(body["prompt"], params, f"{number}-{began}"):
        now = time.perf_counter()
        (watch.first if last == began else watch.gap).append(now - last)
        last = now
        watch.tokens += len(output.outputs[0].token_ids)
    watch.answer.append(last - began)


async def load(llm: AsyncLLM, bodies: Sequence[dict[str, Any]], streams: int, requests: int) -> dict[str, Any]:
    watch = Watch()
    numbers = iter(range(requests))

    async def stream(mine: Iterator[int]) -> None:
        for number in mine:
            await generate(llm, bodies[number % len(bodies)], number, watch)

    began, used = time.perf_counter(), time.process_time()
    # One iterator for all: whoever is ready takes the next.
    await asyncio.gather(*(stream(numbers) for _ in range(streams)))
    seconds = time.perf_counter() - began
    figures: dict[str, Any] = {"answers": requests, "errors": 0, "tokens": watch.tokens, "events": len(watch.gap)}
    for name in ("first", "gap", "answer"):
        values = getattr(watch, name)
        figures |= {f"{name}_p{q}_ms": round(float(np.percentile(values, q)) * 1e3, 3) for q in (50, 99)}
    figures["gap_most_ms"] = round(max(watch.gap, default=0.0) * 1e3, 3)
    return figures | {"cpu_seconds": time.process_time() - used, "seconds": seconds}


async def main(arguments: str, bodies: str) -> None:
    context = UsageContext.OPENAI_API_SERVER
    config = AsyncEngineArgs(**json.loads(arguments)).create_engine_config(context)
    llm = AsyncLLM.from_vllm_config(config, usage_context=context)
    prompts = [json.loads(line) for line in bodies.splitlines()]
    say("ready")
    for _ in itertools.count():
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            break
        streams, requests = map(int, line.split())
        say(json.dumps(await load(llm, prompts, streams, requests)))
    llm.shutdown()
    # The interpreter's own shutdown can hang on torch's and zmq's threads.
    os._exit(0)


def say(line: str) -> None:
    os.write(OUTPUT, line.encode() + b"\n")


if __name__ == "__main__":
    # vLLM writes to standard output as well: what is said there goes to the log instead.
    OUTPUT = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(main(*(Path(name).read_text() for name in sys.argv[1:3])))
