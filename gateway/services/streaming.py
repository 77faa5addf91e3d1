"""The start of a stream: errors that come early become an HTTP status, not an event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def hold(source: AsyncGenerator[T, None], timeout_s: float) -> AsyncGenerator[T, None]:
    """Wait for the first item, at most `timeout_s`, then hand on the whole stream.

    What the source raises in that time is raised here. The source is started when this returns and is closed when the
    returned stream is.
    """
    first = asyncio.ensure_future(anext(source))
    try:
        await asyncio.wait({first}, timeout=timeout_s)
        if first.done() and (error := first.exception()) is not None:
            raise error
    except BaseException:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await source.aclose()
        raise
    return _resume(first, source)


async def _resume(first: asyncio.Future[T], source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    try:
        yield await first
        async for item in source:
            yield item
    finally:
        if not first.done():
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await source.aclose()
