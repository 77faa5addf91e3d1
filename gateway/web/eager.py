"""An awaitable that is begun at once, by a plain call.

`send` of ASGI is a coroutine, but the server's own waits only while the client does not read: nearly always it has done all
it does when it is first stepped. So a token can be written from a callback, without a task that is woken for it. (A task
with `eager_start` does the same from Python 3.12 on.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


def start(awaitable: Awaitable[None]) -> asyncio.Task[None] | None:
    """Run it up to its first wait. None when it had none and is done, else a task that does the rest.

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
    """What is left of an awaitable that waits for `awaited`, the first thing it has yielded to the event loop."""

    def __init__(self, steps: Generator[Any, Any, None], awaited: Any) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._awaited
        yield from self._steps
