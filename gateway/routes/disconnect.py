"""A client that leaves ends the work it asked for, at once."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive


class ClientDisconnected(Exception):
    """The client is gone: there is nobody to answer."""


class CancelledByDisconnect:
    """`async with` cancels its block when the client leaves, and raises ClientDisconnected in the cancellation's place.

    `receive` must have nothing more of the body to give. One waiting task per request; nothing polls.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("outside of a task there is nothing to cancel")
        self._task = task
        self._watcher = asyncio.create_task(self._watch())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.cancel()
        # Ours only if nobody else wanted the task to end as well (uvicorn's shutdown, say).
        if isinstance(error, asyncio.CancelledError) and self._gone and self._task.uncancel() == 0:
            raise ClientDisconnected from None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
