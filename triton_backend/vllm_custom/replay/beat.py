"""The steps of the replay engine: whoever plays by one rhythm has its turn in the same step as everybody else, as vLLM's
output handler serves the requests of one engine step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Turn = Callable[[], bool]
"""One player's turn; False when it was the last."""


class Beat:
    """One rhythm for all requests that play by it. On one event loop only."""

    def __init__(self, period: float) -> None:
        """`period` in seconds; 0 is as fast as the loop turns."""
        self._period = period
        self._players: dict[Turn, None] = {}
        self._due = 0.0
        self._is_ticking = False

    def join(self, turn: Turn) -> None:
        """Play from the next step on."""
        self._players[turn] = None
        if not self._is_ticking:
            self._is_ticking = True
            self._schedule()

    def leave(self, turn: Turn) -> None:
        """Play no more; harmless for who does not play."""
        self._players.pop(turn, None)

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._period:
            # From the last step on and not from now: the work of a step must not slow the rhythm down.
            self._due = max(self._due + self._period, loop.time())
            loop.call_at(self._due, self._step)
        else:
            loop.call_soon(self._step)

    def _step(self) -> None:
        for turn in [*self._players]:
            if turn in self._players and not turn():
                self.leave(turn)
        self._is_ticking = bool(self._players)
        if self._is_ticking:
            self._schedule()
