"""The watch over a silent call."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamTimeout
from gateway.triton.stall import StallWatch

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.05


class Reader:
    """Who waits from the start."""

    def __init__(self) -> None:
        self.waiting_since: float | None = asyncio.get_running_loop().time()


async def test_silence_is_given_up_once() -> None:
    """Whoever waits longer than the limit is freed, once."""
    given_up = asyncio.Event()
    watch = StallWatch(Reader(), TIMEOUT_S, given_up.set)
    await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 10)
    assert isinstance(watch.error, UpstreamTimeout)
    given_up.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 3)


async def test_slow_reader_is_no_silence() -> None:
    """While nobody waits for a message the clock stands, and waiting starts it anew."""
    given_up = asyncio.Event()
    reader = Reader()
    watch = StallWatch(reader, TIMEOUT_S, given_up.set)
    reader.waiting_since = None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 4)
    assert not isinstance(watch.error, UpstreamTimeout)
    reader.waiting_since = since = asyncio.get_running_loop().time()
    await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 10)
    assert asyncio.get_running_loop().time() - since >= TIMEOUT_S * 0.9


async def test_closed_watch_never_fires() -> None:
    """After `close` nothing is called."""
    given_up = asyncio.Event()
    StallWatch(Reader(), TIMEOUT_S, given_up.set).close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 4)
