"""Starts an awaitable immediately, by a plain function call.

ASGI's `send` is a coroutine, but the server's own waits only while the client does not read; nearly always its first step
does everything. So a token can be written from a callback, without waking a task. (From Python 3.12 a task with
`eager_start` does the same.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


def start(awaitable: Awaitable[None]) -> asyncio.Task[None] | None:
    """Run the awaitable up to its first wait. Returns None if it is done, else a task that does the rest.

    That first part runs in whatever task calls this: it must not depend on `asyncio.current_task`, nor open a cancel scope.
    Raises what the first part raises.
    """
    steps = awaitable.__await__()
    try:
        awaited = next(steps)
    except StopIteration:
        return None
    task = asyncio.create_task(_finish(_Begun(steps, awaited)))
    task.add_done_callback(lambda _: steps.close())  # cancelled before its turn, it leaves them half done
    return task


async def _finish(begun: _Begun) -> None:
    await begun


class _Begun:
    """The rest of an awaitable that was started and has yielded `awaited` to the event loop."""

    def __init__(self, steps: Generator[Any, Any, None], awaited: Any) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._awaited
        yield from self._steps
