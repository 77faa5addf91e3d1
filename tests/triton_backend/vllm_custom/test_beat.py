"""The replay engine's steps."""

from __future__ import annotations

import asyncio

import pytest
from vllm_custom.beat import Beat


@pytest.mark.parametrize("period", [0.0, 0.001])
def test_everybody_plays_in_the_same_turn(period):
    """Whoever waits is woken with all the others, and nobody gets ahead."""
    heard = []

    async def player(beat, name):
        for step in range(5):
            await beat.wait()
            heard.append((step, name))

    async def band():
        beat = Beat(period)
        await asyncio.gather(*(player(beat, name) for name in range(4)))

    asyncio.run(band())
    assert heard == [(step, name) for step in range(5) for name in range(4)]


def test_player_who_leaves_does_not_stop_the_others():
    """A request that is cancelled while it waits takes nobody along."""

    async def band():
        beat = Beat(0.001)
        leaving = asyncio.create_task(beat.wait())
        staying = asyncio.create_task(beat.wait())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait_for(staying, 5)

    asyncio.run(band())
