"""The watch over a silent call."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamTimeout
from gateway.triton.stall import StallWatch

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.05


async def test_silence_is_given_up_once() -> None:
    """Whoever waits longer than the limit is freed, once."""
    given_up = asyncio.Event()
    watch = StallWatch(TIMEOUT_S, given_up.set)
    await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 10)
    assert isinstance(watch.error, UpstreamTimeout)
    given_up.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 3)


async def test_slow_reader_is_no_silence() -> None:
    """While nobody waits for a message the clock stands, and waiting starts it anew."""
    given_up = asyncio.Event()
    watch = StallWatch(TIMEOUT_S, given_up.set)
    watch.busy()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 4)
    assert not isinstance(watch.error, UpstreamTimeout)
    since = asyncio.get_running_loop().time()
    watch.waiting()
    await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 10)
    assert asyncio.get_running_loop().time() - since >= TIMEOUT_S * 0.9


async def test_closed_watch_never_fires() -> None:
    """After `close` nothing is called."""
    given_up = asyncio.Event()
    StallWatch(TIMEOUT_S, given_up.set).close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), TIMEOUT_S * 4)
