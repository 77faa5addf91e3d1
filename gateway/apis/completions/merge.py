"""Several generations as one: the prompts of one completion request run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.generation import Accepted, Backpressure, GenerationOutput, OutputSink

Generation = Callable[[OutputSink], Awaitable[None]]
"""Hands its outputs to the sink and returns when it is complete."""


def shifted(outputs: list[GenerationOutput], by: int) -> list[GenerationOutput]:
    """The same outputs, their choices counted on from `by`."""
    return [
        output if isinstance(output, Accepted) else output._replace(choice=output.choice + by) for output in outputs
    ]


async def merged(generations: Sequence[Generation], choices_each: int, sink: OutputSink) -> None:
    """Hand what comes of all `generations` to `sink`, as it comes; choice `i` of generation `k` has the index
    `k * choices_each + i`. The first error ends them all and is raised."""

    async def run(generation: Generation, by: int) -> None:
        def take_shifted(outputs: list[GenerationOutput]) -> Backpressure:
            return sink.take(shifted(outputs, by))

        await generation(OutputSink(take_shifted))

    try:
        async with asyncio.TaskGroup() as tasks:
            for k, generation in enumerate(generations):
                tasks.create_task(run(generation, k * choices_each))
    except* Exception as errors:  # noqa: BLE001 - raised as it is, without the group
        raise errors.exceptions[0] from None
