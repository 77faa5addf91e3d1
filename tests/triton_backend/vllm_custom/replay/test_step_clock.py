"""The replay engine's steps."""

from __future__ import annotations

import asyncio

import pytest
from vllm_custom.replay.step_clock import StepClock


class Request:
    """Counts its turns, and wants so many."""

    def __init__(self, turns: int) -> None:
        self.turns: list[int] = []
        self.over = asyncio.Event()
        self.wanted = turns

    def turn(self) -> bool:
        self.turns.append(len(self.turns))
        if len(self.turns) == self.wanted:
            self.over.set()
        return len(self.turns) < self.wanted


@pytest.mark.parametrize("period", [0.0, 0.001])
def test_all_requests_take_the_same_steps(period):
    """None gets ahead, and one that has had its last turn is not called again."""

    async def steps():
        clock, requests = StepClock(period), [Request(5) for _ in range(4)]
        for request in requests:
            clock.add(request.turn)
        await asyncio.wait_for(requests[-1].over.wait(), 5)
        await asyncio.sleep(0.01)
        return requests

    assert [request.turns for request in asyncio.run(steps())] == [[0, 1, 2, 3, 4]] * 4


def test_removed_request_does_not_stop_the_others():
    """Also when it is removed in the middle of a step; a new one starts the clock again."""

    async def steps():
        clock, removed, staying = StepClock(0.001), Request(1000), Request(3)

        def removes_the_other() -> bool:
            clock.remove(removed.turn)
            return False

        clock.add(removes_the_other)
        clock.add(removed.turn)
        clock.add(staying.turn)
        await asyncio.wait_for(staying.over.wait(), 5)
        assert removed.turns == []
        await asyncio.sleep(0.01)
        late = Request(1)
        clock.add(late.turn)
        await asyncio.wait_for(late.over.wait(), 5)

    asyncio.run(steps())
