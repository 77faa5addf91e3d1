"""Awaitables that are begun by a plain call."""

from __future__ import annotations

import asyncio

import pytest

from gateway.web import eager

pytestmark = pytest.mark.anyio


async def test_what_does_not_wait_is_done_at_once() -> None:
    """No task, and it has run."""
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert eager.start(work()) is None
    assert done == [1]


async def test_what_waits_is_finished_by_a_task() -> None:
    """However often it waits, for whatever; also for what is done before the task runs."""
    steps: list[str] = []
    gate = asyncio.Event()
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        steps.append("begun")
        await over
        steps.append("future")
        await asyncio.sleep(0)
        await gate.wait()
        steps.append("gate")

    task = eager.start(work())
    assert task is not None
    over.set_result(None)
    assert steps == ["begun"]
    await asyncio.sleep(0.01)
    assert steps == ["begun", "future"]
    gate.set()
    await task
    assert steps == ["begun", "future", "gate"]


async def test_errors_are_raised_where_they_happen() -> None:
    """In the first part by the call, later by the task."""

    async def work(*, waits: bool) -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("a fault")

    with pytest.raises(KeyError):
        eager.start(work(waits=False))
    task = eager.start(work(waits=True))
    assert task is not None
    with pytest.raises(KeyError):
        await task


@pytest.mark.parametrize("later", [0, 2])
async def test_cancelled_task_ends_the_work(later: int) -> None:
    """Whether it has been resumed yet or not."""
    ended: list[bool] = []

    async def work() -> None:
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = eager.start(work())
    assert task is not None
    for _ in range(later):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert ended == [True]
