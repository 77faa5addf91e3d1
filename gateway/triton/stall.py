"""Ends calls that have been silent for too long, at no cost per message beyond a time stamp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.errors import GatewayError
from gateway.triton import status

_LOOK_EVERY_S = 5.0


def never() -> bool:
    """`is_lost` of a model whose health is not watched."""
    return False


class Waiting(Protocol):
    """A reader of messages. `waiting_since` is the event loop's time of the last message; None while the reader itself can
    take no more, because then the silence is not the sender's."""

    waiting_since: float | None


class StallWatch:
    """Ends a call that will not be answered any more: calls `give_up` once, and keeps the reason in `error`.

    Silence alone proves nothing: a request that does not stream gets its whole answer at the end. So the call is given up
    when its model `is_lost` (it has answered no request and no probe for a while), and in any case after `timeout_s` of
    silence. One timer at a time, which looks at the clock when it fires: it is never moved per message.
    """

    __slots__ = ("_give_up", "_is_lost", "_loop", "_timeout_s", "_timer", "_waiting", "error")

    def __init__(
        self, waiting: Waiting, timeout_s: float, give_up: Callable[[], object], *, is_lost: Callable[[], bool] = never
    ) -> None:
        self.error: GatewayError | None = None
        self._waiting = waiting
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._is_lost = is_lost
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(min(timeout_s, _LOOK_EVERY_S), self._look)

    def close(self) -> None:
        """Stop the timer, and let go of who would have been called."""
        self._timer.cancel()
        self._give_up = never

    def _look(self) -> None:
        since = self._waiting.waiting_since
        waited = 0.0 if since is None else self._loop.time() - since
        if waited >= self._timeout_s:
            self.error = status.timed_out()
        elif waited >= _LOOK_EVERY_S and self._is_lost():
            self.error = status.unavailable()
        if self.error is not None:
            self._give_up()
        else:
            self._timer = self._loop.call_later(min(self._timeout_s - waited, _LOOK_EVERY_S), self._look)
