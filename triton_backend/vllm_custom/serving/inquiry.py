"""Requests with one answer, which takes its time: `embed`, `classify`, `score` and `lora`.

Inquiry    one of them, between the engine, which answers it, and the outbox; it can be cancelled like a generation
Inquiries  those that are running in an engine, by rid
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from ..contract import response
from ..contract.lifecycle import Event
from ..engine.interface import Asker, Reply
from ..errors import translate_refusal
from .generation import Generation

logger = logging.getLogger(__name__)


class Inquiry(Generation):
    """See `interface.Asker`. It ends as a generation does: by its answer, an error, an `abort`, or the client's leaving."""

    __slots__ = ()

    def answered(self, reply: Reply) -> bool:
        if self._channel is not None:
            self._channel.vectors = reply.vectors
        return self.life.advance(Event.ANSWER, [response.result(self.life.rid, reply.value)])


class Inquiries:
    """On the loop only."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def run(self, rid: str, work: Awaitable[Reply], asker: Asker) -> None:
        """Await the work and tell the asker; cancelled by `abort`, whose caller has told the asker already."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an inquiry runs in a task of its own")
        self._running[rid] = task
        try:
            reply = await work
        except asyncio.CancelledError:
            logger.debug("request %s is aborted", rid)
        except Exception as exception:
            failure = translate_refusal(exception)
            if failure.type == "internal":
                logger.exception("request %s failed", rid)
            asker.failed(failure)
        else:
            asker.answered(reply)
        finally:
            del self._running[rid]

    async def abort(self, rid: str) -> None:
        if (task := self._running.get(rid)) is not None:
            task.cancel()
