"""How long a call may be silent, at no cost per message beyond a time stamp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class StallWatch:
    """Calls `give_up` once when somebody has waited longer than `timeout_s`; `stalled` then says so.

    One timer at a time, which looks at the clock when it fires and sets itself again: it is never moved per message.
    """

    def __init__(self, timeout_s: float, give_up: Callable[[], object]) -> None:
        self.stalled = False
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = self._loop.time()
        self._timer = self._loop.call_later(timeout_s, self._look)

    def waiting(self) -> None:
        """From now on somebody waits for the next message."""
        self._waiting_since = self._loop.time()

    def busy(self) -> None:
        """Nobody waits: a slow reader is not the sender's silence."""
        self._waiting_since = None

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _look(self) -> None:
        since = self._waiting_since
        waited = 0.0 if since is None else self._loop.time() - since
        if waited >= self._timeout_s:
            self.stalled = True
            self._give_up()
        else:
            self._timer = self._loop.call_later(self._timeout_s - waited, self._look)
