"""Several coroutines side by side, as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def run_all(works: Iterable[Callable[[], Coroutine[Any, Any, T]]], *, at_most: int | None = None) -> list[T]:
    """Run every work, at most so many at a time, and return their results in order.

    The first error cancels the others and is raised as it is, without the group that asyncio makes of it.
    """
    running = asyncio.Semaphore(at_most) if at_most is not None else None

    async def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if running is None:
            return await work()
        async with running:
            return await work()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(work)) for work in works]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
