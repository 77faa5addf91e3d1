"""The steps of the replay engine: all requests of one clock get their next token in the same step, as vLLM's output handler
serves all requests of one engine step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Turn = Callable[[], bool]
"""Makes one request's next output; returns False when it was the last."""


class StepClock:
    """Calls every turn once a step. On one event loop only; it runs while there are turns."""

    def __init__(self, period: float) -> None:
        """`period` in seconds; 0 is as fast as the loop turns."""
        self._period = period
        self._turns: dict[Turn, None] = {}
        self._due = 0.0
        self._is_ticking = False

    def add(self, turn: Turn) -> None:
        """Call it from the next step on."""
        self._turns[turn] = None
        if not self._is_ticking:
            self._is_ticking = True
            self._schedule()

    def remove(self, turn: Turn) -> None:
        """Call it no more; unknown ones are ignored."""
        self._turns.pop(turn, None)

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._period:
            # Counted from the last step and not from now, so that the work of a step does not slow the clock down.
            self._due = max(self._due + self._period, loop.time())
            loop.call_at(self._due, self._step)
        else:
            loop.call_soon(self._step)

    def _step(self) -> None:
        for turn in [*self._turns]:
            if turn in self._turns and not turn():
                self.remove(turn)
        self._is_ticking = bool(self._turns)
        if self._is_ticking:
            self._schedule()
