"""A client that leaves ends the work it asked for, at once."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive, Scope

from gateway.web.extensions import ON_DISCONNECT, OnDisconnect


class ClientDisconnected(Exception):
    """The client is gone: there is nobody to answer."""


class CancelledByDisconnect:
    """`async with` cancels its block when the client leaves, and raises ClientDisconnected in the cancellation's place.

    The body of the request must have been read. Nothing polls: our own server calls back; with any other server one task
    per request waits for `receive`.
    """

    __slots__ = ("_gone", "_on_disconnect", "_receive", "_task", "_watcher")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._on_disconnect: OnDisconnect | None = scope.get(ON_DISCONNECT)
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("outside of a task there is nothing to cancel")
        self._task = task
        if self._on_disconnect is None:
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._on_disconnect(self._cancel)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        if self._on_disconnect is not None:
            self._on_disconnect(None)
        # Ours only if nobody else wanted the task to end as well (uvicorn's shutdown, say).
        if isinstance(error, asyncio.CancelledError) and self._gone and self._task.uncancel() == 0:
            raise ClientDisconnected from None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel()

    def _cancel(self) -> None:
        self._gone = True
        self._task.cancel()
