"""What the chat and the completion use case do alike: a generation, streamed or whole, under a permit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gateway.admission import Admission, Permit
from gateway.chat.chunks import ChunkStream, Fold
from gateway.services.dispatch import OutputBatches
from gateway.services.streaming import Held, hold

Generate = Callable[[Permit], OutputBatches]
"""Starts the generation that the permit was given for."""

ChunkBatches = Held[list[bytes]]
"""Chunks as JSON, in lists of those that are ready together. Whoever has them closes them."""


class Answers:
    """Takes a permit, starts the generation and turns what comes into the answer."""

    def __init__(self, admission: Admission, *, accept_timeout_s: float) -> None:
        self._admission = admission
        self._accept_timeout_s = accept_timeout_s

    async def stream(self, generate: Generate, stream: ChunkStream) -> ChunkBatches:
        """The chunks. Returns when the engine has accepted the request, or after `accept_timeout_s`; what goes wrong until
        then is raised here. Raises GatewayError."""
        permit = await self._admission.acquire()
        try:
            return await hold(_chunks(generate, permit, stream), self._accept_timeout_s)
        except BaseException:
            permit.release()  # the chunks may never have come to hold it
            raise

    async def fold(self, generate: Generate, fold: Fold) -> None:
        """Feed the whole answer to `fold`. Raises GatewayError."""
        with await self._admission.acquire() as permit:
            async with aclosing(generate(permit)) as batches:
                async for outputs in batches:
                    fold.feed(outputs)


async def _chunks(generate: Generate, permit: Permit, stream: ChunkStream) -> AsyncGenerator[list[bytes], None]:
    with permit:
        async with aclosing(generate(permit)) as batches:
            async for outputs in batches:
                yield stream.feed(outputs)
