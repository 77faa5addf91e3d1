"""A client that leaves ends the work it asked for, at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.types import Receive


class ClientDisconnected(Exception):
    """The client is gone: there is nobody to answer."""


@asynccontextmanager
async def cancelled_by_disconnect(receive: Receive) -> AsyncGenerator[None, None]:
    """Cancel the block when the client leaves, and raise ClientDisconnected in its place.

    `receive` must have nothing more of the body to give. One waiting task per request; nothing polls.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("outside of a task there is nothing to cancel")
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Ours only if nobody else wanted the task to end as well (uvicorn's shutdown, say).
        if gone and task.uncancel() == 0:
            raise ClientDisconnected from None
        raise
    finally:
        watcher.cancel()
