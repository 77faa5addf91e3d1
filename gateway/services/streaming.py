"""The start of a stream: errors that come early become an HTTP status, not an event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Held(AsyncIterator[T], Generic[T]):
    """A stream that has begun. Closing it closes the source, also when nothing was read: a generator that wraps another
    does not, for closing one that never ran runs nothing of it."""

    def __init__(self, first: asyncio.Future[T], source: AsyncGenerator[T, None]) -> None:
        """`first` is the first item of `source`, there or still to come."""
        self._first = first
        self._source = source
        self._first_is_out = False

    @property
    def rest(self) -> AsyncIterator[T]:
        """What comes behind the first item, without a step in between; only for who has had that."""
        return self._source

    async def __anext__(self) -> T:
        if self._first_is_out:
            return await anext(self._source)
        self._first_is_out = True
        return await self._first

    async def aclose(self) -> None:
        """End the source, whatever it waits for."""
        self._first.cancel()
        await asyncio.gather(self._first, return_exceptions=True)
        await self._source.aclose()


async def hold(source: AsyncGenerator[T, None], timeout_s: float) -> Held[T]:
    """Wait for the first item, at most `timeout_s`, then hand on the whole stream.

    What the source raises in that time is raised here. The source is started when this returns and is closed when the
    returned stream is.
    """
    first = asyncio.ensure_future(anext(source))
    held = Held(first, source)
    try:
        await asyncio.wait({first}, timeout=timeout_s)
        if first.done() and not isinstance(first.exception(), StopAsyncIteration):
            first.result()  # raises what the source has raised; that it is empty is for the reader to find
    except BaseException:
        await held.aclose()
        raise
    return held
