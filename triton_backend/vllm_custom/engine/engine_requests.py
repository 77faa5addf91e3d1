"""The way of a request through an engine, the same for every engine.

open ──► sink.accepted ──► follow: sink.step, sink.step, … ──► (finished)
  │            │                      │
  │ raises     │ returns False        │ raises, a step returns False, or the task is cancelled
  ▼            ▼                      ▼
sink.failed   generation.abort       generation.abort
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..contract.generate import Generate
from ..errors import named, translate, translate_refusal
from .generation import Generation, Opener
from .interface import GenerationSink

logger = logging.getLogger(__name__)


class EngineRequest:
    """One request from `open` to its end; used on the engine's event loop only."""

    __slots__ = ("_generation", "_request", "_sink", "_task")

    def __init__(self, request: Generate, sink: GenerationSink) -> None:
        self._request = request
        self._sink = sink
        self._generation: Generation | None = None
        self._task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """End it. While the engine is still taking the request, nothing is cancelled, and it ends when `accepted` returns
        False: an engine interrupted between its own two registrations would keep the request for ever."""
        if self._generation is not None and self._task is not None:
            self._task.cancel()

    async def run(self, opener: Opener) -> None:
        """Open it, then follow it to its end; whatever fails is given to the sink."""
        self._task = asyncio.current_task()
        try:
            self._generation = generation = await opener.open(self._request)
        except Exception as exception:
            failure = translate_refusal(exception, self._request.body.keys())
            if failure.type == "internal":
                logger.exception("request %s was not taken", self._request.rid)
            self._sink.failed(failure)
            return
        finished = False
        try:
            finished = await self._follow(generation)
        except asyncio.CancelledError:
            logger.debug("request %s is aborted", self._request.rid)
        except Exception as exception:  # noqa: BLE001  `_fail` logs what is our fault
            self._fail(exception)
        finally:
            if not finished:
                await self._abort(generation)

    async def _follow(self, generation: Generation) -> bool:
        return self._sink.accepted(generation.plan) and await generation.follow(self._sink.step)

    def _fail(self, exception: Exception) -> None:
        failure = named(translate(exception), self._request.body.keys())
        if failure.type == "internal":
            logger.error("request %s failed", self._request.rid, exc_info=exception)
        self._sink.failed(failure)

    async def _abort(self, generation: Generation) -> None:
        try:
            await generation.abort()
        except Exception as exception:
            # A dead engine holds nothing any more.
            if translate(exception).type != "unavailable":
                logger.exception("request %s could not be aborted in the engine", self._request.rid)


class EngineRequests:
    """All requests of one engine, by rid; on the loop only."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._running: dict[str, EngineRequest] = {}

    @property
    def count(self) -> int:
        return len(self._running)

    async def run(self, request: Generate, sink: GenerationSink) -> None:
        """See the picture above; raises nothing but its cancellation."""
        running = self._running[request.rid] = EngineRequest(request, sink)
        try:
            await running.run(self._opener)
        finally:
            del self._running[request.rid]

    async def abort(self, rid: str) -> None:
        """End the work on it; unknown ones are ignored."""
        if (running := self._running.get(rid)) is not None:
            running.cancel()
