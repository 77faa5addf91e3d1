"""Several coroutines as one: their order, their number at a time, and their first error."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway.tasks import run_all

pytestmark = pytest.mark.anyio


class Works:
    """Works that count how many of them run, and how many of them have been cancelled."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.started = 0
        self.cancelled = 0

    async def work(self, number: int, turns: int = 1, error: Exception | None = None) -> int:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            if error is not None:
                raise error
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return number


async def test_results_come_in_order() -> None:
    """Whichever is ready first."""
    works = Works()
    assert await run_all(partial(works.work, number, 9 - number) for number in range(9)) == list(range(9))
    assert (works.most, works.running) == (9, 0)


async def test_nothing_to_do_is_done() -> None:
    """No works, no results."""
    assert await run_all([]) == []


@pytest.mark.parametrize("at_most", [1, 3, 20])
async def test_number_at_a_time_is_limited(at_most: int) -> None:
    """As many as allowed, and no more."""
    works = Works()
    results = await run_all((partial(works.work, number, 3) for number in range(10)), at_most=at_most)
    assert results == list(range(10))
    assert works.most == min(at_most, 10)


@pytest.mark.parametrize("at_most", [None, 2])
async def test_first_error_ends_the_others(at_most: int | None) -> None:
    """It comes as it is, and what has not begun never does."""
    works = Works()
    error = LookupError("first")
    waiting = [partial(works.work, number, 1000) for number in range(5)]
    with pytest.raises(LookupError) as caught:
        await run_all([partial(works.work, 0, 1, error), *waiting], at_most=at_most)
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert works.running == 0
    assert works.started == 1 + works.cancelled
    assert works.started <= (at_most or 5) + 1


async def test_cancellation_reaches_every_work() -> None:
    """Nothing goes on behind the back of who asked for it."""
    works = Works()
    task = asyncio.create_task(run_all(partial(works.work, number, 1000) for number in range(5)))
    for _ in range(5):  # each has its first turn
        await asyncio.sleep(0)
    assert works.running == 5
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (works.running, works.cancelled) == (0, 5)
