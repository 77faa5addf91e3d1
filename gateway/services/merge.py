"""Several generations as one: the prompts of one completion request run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from gateway.generation import Accepted, GenerationOutput
from gateway.services.dispatch import OutputBatches


def shifted(outputs: list[GenerationOutput], by: int) -> list[GenerationOutput]:
    """The same outputs, their choices counted on from `by`."""
    return [
        output if isinstance(output, Accepted) else output._replace(choice=output.choice + by) for output in outputs
    ]


async def merged(sources: Sequence[OutputBatches], choices_each: int) -> OutputBatches:
    """What comes of all `sources`, as it comes; choice `i` of source `k` has the index `k * choices_each + i`.

    The first error ends them all and is raised. Leaving early closes them all.
    """
    ready: asyncio.Queue[list[GenerationOutput] | Exception | None] = asyncio.Queue(maxsize=2 * len(sources))

    async def pump(source: OutputBatches, by: int) -> None:
        try:
            async with aclosing(source):
                async for outputs in source:
                    await ready.put(shifted(outputs, by))
            await ready.put(None)
        except Exception as error:  # noqa: BLE001  # raised again by the reader, below
            await ready.put(error)

    tasks = [asyncio.create_task(pump(source, k * choices_each)) for k, source in enumerate(sources)]
    try:
        open_sources = len(sources)
        while open_sources:
            item = await ready.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                open_sources -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
