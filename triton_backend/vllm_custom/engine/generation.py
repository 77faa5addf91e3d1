"""One generation inside an engine, whichever engine that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..contract.generate import Generate
from ..contract.outputs import StepOutput
from ..contract.plan import Plan

Step = Callable[[StepOutput], bool]
"""Takes an output, without waiting; returns False when no more should come."""


class Delivery:
    """Hands the outputs of one request from the engine to a `Step`, by plain calls: to wake a task for each token would
    cost more than everything that is done with the token. One task waits for the end. On one event loop only."""

    __slots__ = ("_ended", "_step")

    def __init__(self, step: Step) -> None:
        self._step = step
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def push(self, output: StepOutput) -> bool:
        """Hand over one output; False when no other should come."""
        if self._ended.done():
            return False
        try:
            going_on = self._step(output)
        except Exception as error:  # noqa: BLE001  raised again by `until_end`
            self.fail(error)
            return False
        if output.finished or not going_on:
            self._ended.set_result(output.finished)
            return False
        return True

    def fail(self, error: Exception) -> None:
        """No other output comes, because of this."""
        if not self._ended.done():
            self._ended.set_exception(error)

    async def until_end(self) -> bool:
        """See `Generation.follow`."""
        return await self._ended


class Generation(Protocol):
    """One request inside an engine."""

    @property
    def plan(self) -> Plan: ...
    async def follow(self, step: Step) -> bool:
        """Hand every output to `step` as it comes: True after the last, False when `step` wanted no more. Raises when the
        engine fails or gives the request up, and what `step` raises."""
        ...

    async def abort(self) -> None:
        """Free what the engine holds for this request; harmless once it has finished."""
        ...


class Opener(Protocol):
    async def open(self, request: Generate) -> Generation:
        """Check the request and queue it; raises what is wrong with it, or with the engine."""
        ...
