"""A generation as the answer of an API, streamed or whole, under one permit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.answers.chunks import ChunkedSink, ChunkSink, ChunkStream
from gateway.answers.fold import Fold
from gateway.generation import OutputSink
from gateway.limits.admission import Admission, Permit

Generate = Callable[[Permit, OutputSink], Awaitable[None]]
"""Runs the generation that the permit was given for."""


class Responder:
    """Takes a permit, runs the generation and turns what comes into the answer."""

    def __init__(self, admission: Admission, *, accept_timeout_s: float) -> None:
        """`accept_timeout_s`: how long the start of a streamed answer waits for the engine's word."""
        self._admission = admission
        self._accept_timeout_s = accept_timeout_s

    async def stream(self, generate: Generate, stream: ChunkStream, sink: ChunkSink) -> list[bytes]:
        """Hand the chunks to `sink`, which is called first when the engine has accepted the request, or after
        `accept_timeout_s`. Returns the last chunks, to be sent with the end of the answer. Raises GatewayError."""
        chunked = ChunkedSink(stream, sink)
        with await self._admission.acquire() as permit:
            sink.begin_within(self._accept_timeout_s)
            await generate(permit, chunked)
        return chunked.last

    async def fold(self, generate: Generate, fold: Fold) -> None:
        """Feed the whole answer to `fold`. Raises GatewayError."""
        with await self._admission.acquire() as permit:
            await generate(permit, fold)
