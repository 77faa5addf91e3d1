"""The steps of the replay engine: whoever waits for the next one is woken together with everybody else, as vLLM's output
handler wakes the requests of one engine step."""

from __future__ import annotations

import asyncio


class Beat:
    """One rhythm for all requests that play by it. On one event loop only."""

    def __init__(self, period: float) -> None:
        """`period` in seconds; 0 is as fast as the loop turns."""
        self._period = period
        self._next: asyncio.Event | None = None
        self._due = 0.0

    async def wait(self) -> None:
        """Until the next step."""
        if self._next is None:
            self._next = asyncio.Event()
            loop = asyncio.get_running_loop()
            if self._period:
                # From the last step on and not from now: the work of a step must not slow the rhythm down.
                self._due = max(self._due + self._period, loop.time())
                loop.call_at(self._due, self._step)
            else:
                loop.call_soon(self._step)
        await self._next.wait()

    def _step(self) -> None:
        step, self._next = self._next, None
        if step is not None:
            step.set()
