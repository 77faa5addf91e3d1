"""Several generations as one: the prompts of one completion request run side by side."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from gateway.generation import Accepted, Backpressure, GenerationOutput, OutputSink
from gateway.tasks import run_all

Generation = Callable[[OutputSink], Coroutine[Any, Any, None]]
"""Hands its outputs to the sink and returns when it is complete."""


class ShiftedSink:
    """Hands on the outputs of one generation with its choices counted on from `by`."""

    __slots__ = ("_by", "_sink")

    def __init__(self, sink: OutputSink, by: int) -> None:
        self._sink = sink
        self._by = by

    def take(self, outputs: list[GenerationOutput]) -> Backpressure:
        """See `OutputSink`."""
        return self._sink.take(
            [
                output if isinstance(output, Accepted) else output._replace(choice=output.choice + self._by)
                for output in outputs
            ]
        )

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        """See `OutputSink`."""
        return self._sink.take_text(choice + self._by, text, token_count)


async def merged(generations: Sequence[Generation], choices_each: int, sink: OutputSink) -> None:
    """Hand what comes of all `generations` to `sink`, as it comes; choice `i` of generation `k` has the index
    `k * choices_each + i`. The first error ends them all and is raised."""
    await run_all(
        partial(generation, ShiftedSink(sink, number * choices_each)) for number, generation in enumerate(generations)
    )
