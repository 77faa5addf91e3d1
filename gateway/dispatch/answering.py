"""What the chat and the completion use case do alike: a generation, streamed or whole, under a permit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from gateway.answers.chunks import ChunkStream
from gateway.answers.fold import Fold
from gateway.generation import Backpressure, GenerationOutput, OutputSink
from gateway.limits.admission import Admission, Permit

Generate = Callable[[Permit, OutputSink], Awaitable[None]]
"""Runs the generation that the permit was given for."""


class ChunkSink(Protocol):
    """Who takes chunks as JSON. The first `write`, also of none, says that the answer has begun: what goes wrong from then
    on is part of the stream."""

    def begin_within(self, seconds: float) -> None:
        """Say that the answer has begun when nothing has been written by then."""
        ...

    def write(self, chunks: list[bytes]) -> Backpressure:
        """Chunks that are ready together."""
        ...

    def write_one(self, chunk: bytes) -> Backpressure:
        """As `write`, once that has been called."""
        ...


class Answers:
    """Takes a permit, runs the generation and turns what comes into the answer."""

    def __init__(self, admission: Admission, *, accept_timeout_s: float) -> None:
        self._admission = admission
        self._accept_timeout_s = accept_timeout_s

    async def stream(self, generate: Generate, stream: ChunkStream, sink: ChunkSink) -> list[bytes]:
        """Hand the chunks to `sink`; it is called first when the engine has accepted the request, or after
        `accept_timeout_s`. The last chunks are returned, to be sent with the end of the answer. Raises GatewayError."""
        last: list[bytes] = []

        def take(outputs: list[GenerationOutput]) -> Backpressure:
            chunks = stream.feed(outputs)
            if stream.is_complete:
                last.extend(chunks)
                return None
            return sink.write(chunks)

        with await self._admission.acquire() as permit:
            sink.begin_within(self._accept_timeout_s)
            await generate(permit, OutputSink(take, partial(stream.texts, sink.write_one)))
        return last

    async def fold(self, generate: Generate, fold: Fold) -> None:
        """Feed the whole answer to `fold`. Raises GatewayError."""
        with await self._admission.acquire() as permit:
            await generate(permit, OutputSink(fold.feed))
