"""A client that reads at its own pace: what a generation pushes, to be pulled."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from gateway.generation import Backpressure, GenerationOutput, OutputSink
from tests.fakes.sinks import FunctionSink

Batches = AsyncGenerator[list[GenerationOutput], None]


async def pulled(generate: Callable[[OutputSink], Coroutine[Any, Any, None]]) -> Batches:
    """The batches that `generate` hands over. It is held back until each is asked for, and cancelled by an early leave."""
    came: deque[list[GenerationOutput]] = deque()
    blocked: deque[asyncio.Future[None]] = deque()
    changed = asyncio.Event()

    def take(outputs: list[GenerationOutput]) -> Backpressure:
        came.append(outputs)
        blocked.append(asyncio.get_running_loop().create_future())
        changed.set()
        return blocked[-1]

    task = asyncio.create_task(generate(FunctionSink(take)))
    task.add_done_callback(lambda _: changed.set())
    try:
        while True:
            while came:
                yield came.popleft()
                blocked.popleft().set_result(None)
            if task.done():
                break
            changed.clear()
            await changed.wait()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
