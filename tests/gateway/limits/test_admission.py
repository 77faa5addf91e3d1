"""Permits: order, limits, and that none is ever lost."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Overloaded
from gateway.limits.admission import Admission

pytestmark = pytest.mark.anyio


def admission(limit: int = 1, queue: int = 10, max_wait_s: float = 5) -> Admission:
    return Admission(limit=limit, queue=queue, max_wait_s=max_wait_s)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_free_permit_is_given_at_once() -> None:
    """And comes back when its block ends, with an error too, once."""
    permits = admission(limit=2)
    with await permits.acquire() as permit:
        assert (permits.in_flight, permits.queued) == (1, 0)
        permit.release()
        permit.release()
        assert permits.in_flight == 0
    assert permits.in_flight == 0


async def test_turns_come_in_order() -> None:
    """First come, first served."""
    permits = admission()
    first = await permits.acquire()
    served: list[int] = []

    async def wait(number: int) -> None:
        with await permits.acquire():
            served.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(5)]
    await settle()
    assert permits.queued == 5
    first.release()
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3, 4]
    assert (permits.in_flight, permits.queued) == (0, 0)


async def test_late_comer_does_not_overtake() -> None:
    """A permit that is on its way to the queue's first is not free."""
    permits = admission()
    first = await permits.acquire()
    waiting = asyncio.create_task(permits.acquire())
    await settle()
    first.release()
    late = asyncio.create_task(permits.acquire())
    (await waiting).release()
    (await late).release()
    assert permits.in_flight == 0


async def test_full_queue_refuses() -> None:
    """429 with a time to come back."""
    permits = admission(queue=0)
    with await permits.acquire(), pytest.raises(Overloaded) as caught:
        await permits.acquire()
    assert 1 <= (caught.value.retry_after_s or 0) <= 60
    assert permits.in_flight == 0


async def test_long_wait_refuses() -> None:
    """Nobody waits for ever; the place in the queue is free again."""
    permits = admission(max_wait_s=0.02)
    with await permits.acquire():
        with pytest.raises(Overloaded):
            await permits.acquire()
        assert permits.queued == 0
    assert permits.in_flight == 0


async def test_cancelled_waiter_leaves_the_queue() -> None:
    """Wherever it stands; the others keep their order."""
    permits = admission()
    first = await permits.acquire()
    tasks = [asyncio.create_task(permits.acquire()) for _ in range(3)]
    await settle()
    tasks[1].cancel()
    await settle()
    assert permits.queued == 2
    first.release()
    (await tasks[0]).release()
    (await tasks[2]).release()
    assert permits.in_flight == 0


async def test_permit_given_while_cancelled_goes_on() -> None:
    """The turn and the cancellation in the same moment: the next in the queue gets the permit."""
    permits = admission()
    first = await permits.acquire()
    tasks = [asyncio.create_task(permits.acquire()) for _ in range(2)]
    await settle()
    first.release()  # the turn is the first task's, which has not run yet
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    (await asyncio.wait_for(tasks[1], 1)).release()
    assert (permits.in_flight, permits.queued) == (0, 0)


async def test_every_change_is_told() -> None:
    """What the metrics show is what is."""
    seen: list[tuple[int, int]] = []
    permits = Admission(limit=1, queue=1, max_wait_s=5, on_change=lambda a: seen.append((a.in_flight, a.queued)))
    first = await permits.acquire()
    waiting = asyncio.create_task(permits.acquire())
    await settle()
    first.release()
    (await waiting).release()
    assert seen == [(1, 0), (1, 1), (1, 0), (0, 0)]


@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 2**32))
def test_no_permit_is_lost(limit: int, queue: int, seed: int) -> None:
    """Under any mixture of work, cancellation, errors and time-outs: never more than the limit, and all come back."""

    async def storm() -> None:
        chance = random.Random(seed)
        permits = admission(limit, queue, max_wait_s=0.002)

        async def one() -> None:
            with await permits.acquire():
                assert 0 < permits.in_flight <= limit
                await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))
                if chance.random() < 0.2:
                    raise KeyError

        tasks = [asyncio.create_task(one()) for _ in range(30)]
        for task in chance.sample(tasks, 12):
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert result is None or isinstance(result, (KeyError, Overloaded, asyncio.CancelledError))
        assert (permits.in_flight, permits.queued) == (0, 0)

    asyncio.run(storm())


async def test_weight_is_capped_at_the_limit() -> None:
    """A request that asks for more than there is gets all there is: it can succeed, alone."""
    permits = admission(limit=3)
    with await permits.acquire(weight=100) as permit:
        assert (permit.weight, permits.in_flight) == (3, 3)
    assert permits.in_flight == 0


async def test_heavy_request_is_not_overtaken() -> None:
    """Lighter ones that come later wait behind it, though there would be room for them."""
    permits = admission(limit=3)
    first = [await permits.acquire() for _ in range(2)]
    served: list[int] = []

    async def wait(weight: int) -> None:
        with await permits.acquire(weight):
            served.append(weight)
            await asyncio.sleep(0)

    waiting = [asyncio.create_task(wait(weight)) for weight in (3, 1, 2)]
    await settle()
    assert (permits.in_flight, permits.queued, served) == (2, 3, [])
    first[0].release()
    await settle()
    assert served == []
    first[1].release()
    await asyncio.gather(*waiting)
    assert served == [3, 1, 2]
    assert permits.in_flight == 0


async def test_one_return_may_let_in_several() -> None:
    """What a heavy request gives back is shared out, in order, as far as it goes."""
    permits = admission(limit=3)
    heavy = await permits.acquire(3)
    waiting = [asyncio.create_task(permits.acquire(weight)) for weight in (1, 1, 2)]
    await settle()
    heavy.release()
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]
    for task in waiting:
        (await task).release()
    assert (permits.in_flight, permits.queued) == (0, 0)


async def test_heavy_waiter_that_is_cancelled_makes_way() -> None:
    """Those behind it had to wait for nothing but it."""
    permits = admission(limit=2)
    first = await permits.acquire()
    heavy, light = asyncio.create_task(permits.acquire(2)), asyncio.create_task(permits.acquire())
    await settle()
    heavy.cancel()
    (await asyncio.wait_for(light, 1)).release()
    first.release()
    assert (permits.in_flight, permits.queued) == (0, 0)


async def test_heavy_waiter_that_times_out_makes_way() -> None:
    """Likewise when it has waited for too long; it is refused."""
    permits = admission(limit=2, max_wait_s=0.05)
    with await permits.acquire():
        heavy = asyncio.create_task(permits.acquire(2))
        await asyncio.sleep(0.02)
        light = asyncio.create_task(permits.acquire())
        with pytest.raises(Overloaded):
            await heavy
        (await asyncio.wait_for(light, 1)).release()
    assert (permits.in_flight, permits.queued) == (0, 0)


async def test_weight_granted_while_cancelled_is_shared_out() -> None:
    """The turn and the cancellation in the same moment: all of it goes to those behind."""
    permits = admission(limit=2)
    first = await permits.acquire(2)
    heavy, *light = (asyncio.create_task(permits.acquire(weight)) for weight in (2, 1, 1))
    await settle()
    first.release()  # the turn is the heavy one's, which has not run yet
    heavy.cancel()
    for permit in await asyncio.wait_for(asyncio.gather(*light), 1):
        permit.release()
    assert (permits.in_flight, permits.queued) == (0, 0)


@given(st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=25), st.integers(0, 2**32))
def test_no_weight_is_lost(limit: int, weights: list[int], seed: int) -> None:
    """Whatever ends the requests and the waiting: what is out never exceeds the limit, and all of it comes back."""

    async def storm() -> None:
        chance = random.Random(seed)
        out = 0
        permits = admission(limit, queue=len(weights), max_wait_s=0.005)

        async def one(weight: int) -> None:
            nonlocal out
            with await permits.acquire(weight) as permit:
                out += permit.weight
                assert permit.weight == min(weight, limit)
                assert 0 < out <= permits.in_flight <= limit  # what was granted counts before its task runs
                try:
                    await asyncio.sleep(chance.choice([0, 0, 0.001, 0.007]))
                    if chance.random() < 0.2:
                        raise KeyError
                finally:
                    out -= permit.weight
                    permit.release()

        tasks = [asyncio.create_task(one(weight)) for weight in weights]
        for task in chance.sample(tasks, len(tasks) // 3):
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert result is None or isinstance(result, (KeyError, Overloaded, asyncio.CancelledError))
        assert (out, permits.in_flight, permits.queued) == (0, 0, 0)
        with await asyncio.wait_for(permits.acquire(limit), 1) as everything:
            assert everything.weight == limit

    asyncio.run(storm())
