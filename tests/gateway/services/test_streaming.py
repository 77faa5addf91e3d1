"""The start of a stream: what is raised, what is streamed, and that the source is always closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.services.streaming import hold

pytestmark = pytest.mark.anyio


class Source:
    """Numbers, with a gate before the first and an error after the last where asked."""

    def __init__(self, numbers: int, *, error: Exception | None = None, gated: bool = False) -> None:
        self.closed = False
        self.gate = asyncio.Event()
        self._numbers, self._error = numbers, error
        if not gated:
            self.gate.set()

    async def stream(self) -> AsyncGenerator[int, None]:
        try:
            await self.gate.wait()
            for number in range(self._numbers):
                yield number
            if self._error:
                raise self._error
        finally:
            self.closed = True


async def test_early_error_is_raised() -> None:
    """Before the first item: by `hold` itself, and the source is closed."""
    source = Source(0, error=KeyError("early"))
    with pytest.raises(KeyError):
        await hold(source.stream(), 1)
    assert source.closed


async def test_late_error_comes_in_the_stream() -> None:
    """After the first item: to the reader."""
    held = await hold(Source(2, error=KeyError("late")).stream(), 1)
    assert [await anext(held), await anext(held)] == [0, 1]
    with pytest.raises(KeyError):
        await anext(held)
    await held.aclose()


async def test_error_after_the_wait_comes_in_the_stream() -> None:
    """What took too long to be waited for."""
    source = Source(0, error=KeyError("late"), gated=True)
    held = await hold(source.stream(), 0.01)
    source.gate.set()
    with pytest.raises(KeyError):
        await anext(held)
    await held.aclose()


async def test_slow_first_item_is_not_lost() -> None:
    """Nor is what follows it."""
    source = Source(3, gated=True)
    held = await hold(source.stream(), 0.01)
    source.gate.set()
    assert [item async for item in held] == [0, 1, 2]
    await held.aclose()
    assert source.closed


async def test_empty_source_makes_an_empty_stream() -> None:
    """No item is no error."""
    held = await hold(Source(0).stream(), 1)
    assert [item async for item in held] == []


@pytest.mark.parametrize("gated", [False, True], ids=["first item there", "first item awaited"])
async def test_unread_stream_is_closed(gated: bool) -> None:
    """A client that leaves before anybody reads must not keep its permit."""
    source = Source(3, gated=gated)
    held = await hold(source.stream(), 0.01)
    assert not source.closed
    await held.aclose()
    assert source.closed
    await held.aclose()


async def test_cancelled_wait_closes_the_source() -> None:
    """The client leaves while the engine has not answered."""
    source = Source(1, gated=True)
    task = asyncio.create_task(hold(source.stream(), 60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed


@pytest.mark.parametrize("read", [0, 1], ids=["first item", "later item"])
async def test_cancelled_reader_can_close(read: int) -> None:
    """Whatever item it was waiting for."""
    source = Source(0, gated=True)
    if read:

        async def one_then_wait() -> AsyncGenerator[int, None]:
            yield 0
            async for item in source.stream():
                yield item

        held = await hold(one_then_wait(), 0.01)
        await anext(held)
    else:
        held = await hold(source.stream(), 0.01)
    reader = asyncio.ensure_future(anext(held))
    await asyncio.sleep(0.01)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await held.aclose()
    assert source.closed
