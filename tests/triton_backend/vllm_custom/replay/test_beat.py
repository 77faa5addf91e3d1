"""The replay engine's steps."""

from __future__ import annotations

import asyncio

import pytest
from vllm_custom.replay.beat import Beat


class Player:
    """Counts its turns, and plays so many."""

    def __init__(self, turns: int) -> None:
        self.heard: list[int] = []
        self.over = asyncio.Event()
        self._turns = turns

    def turn(self) -> bool:
        self.heard.append(len(self.heard))
        if len(self.heard) == self._turns:
            self.over.set()
        return len(self.heard) < self._turns


@pytest.mark.parametrize("period", [0.0, 0.001])
def test_everybody_plays_in_the_same_step(period):
    """Nobody gets ahead, and who has played all its turns is not asked again."""

    async def band():
        beat, players = Beat(period), [Player(5) for _ in range(4)]
        for player in players:
            beat.join(player.turn)
        await asyncio.wait_for(players[-1].over.wait(), 5)
        await asyncio.sleep(0.01)
        return players

    assert [player.heard for player in asyncio.run(band())] == [[0, 1, 2, 3, 4]] * 4


def test_player_who_leaves_does_not_stop_the_others():
    """A request that is cancelled takes nobody along, also in the middle of a step; a new one starts the rhythm again."""

    async def band():
        beat, leaving, staying = Beat(0.001), Player(1000), Player(3)

        def leaves_with_the_other() -> bool:
            beat.leave(leaving.turn)
            return False

        beat.join(leaves_with_the_other)
        beat.join(leaving.turn)
        beat.join(staying.turn)
        await asyncio.wait_for(staying.over.wait(), 5)
        assert leaving.heard == []
        await asyncio.sleep(0.01)
        late = Player(1)
        beat.join(late.turn)
        await asyncio.wait_for(late.over.wait(), 5)

    asyncio.run(band())
