"""The requests of one engine that end with one result, by rid."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from ..errors import translate_refusal
from .interface import Result, ResultSink

logger = logging.getLogger(__name__)


class ResultTasks:
    """On the engine's event loop only."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def run(self, rid: str, work: Awaitable[Result], sink: ResultSink) -> None:
        """Await the work and give its result, or its failure, to the sink. Has to run in a task of its own.

        `abort` cancels it, and then no method of the sink is called: the caller of `abort` has ended the request before.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a result is awaited in a task of its own")
        self._running[rid] = task
        try:
            result = await work
        except asyncio.CancelledError:
            logger.debug("request %s is aborted", rid)
        except Exception as exception:
            failure = translate_refusal(exception)
            if failure.type == "internal":
                logger.exception("request %s failed", rid)
            sink.failed(failure)
        else:
            sink.finished(result)
        finally:
            del self._running[rid]

    async def abort(self, rid: str) -> None:
        """Cancel its task; unknown ones are ignored."""
        if (task := self._running.get(rid)) is not None:
            task.cancel()
