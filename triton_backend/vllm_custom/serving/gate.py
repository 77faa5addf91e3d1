"""Whether new work is let in, and if not, why."""

from __future__ import annotations

import threading

from ..errors import Unavailable

DRAINING = "the model is being drained"
ASLEEP = "the model is asleep"
STOPPING = "the server is stopping"


class Gate:
    """Open between `begin` and `end`, while no reason stands against it. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: list[str] = []
        self._is_serving = False

    @property
    def is_serving(self) -> bool:
        """Whether the instance has started and does not stop, whatever else stands against new work."""
        return self._is_serving

    @property
    def reason(self) -> str | None:
        with self._lock:
            return self._reasons[-1] if self._reasons else None

    def begin(self) -> None:
        """The instance can serve."""
        self._is_serving = True

    def end(self) -> None:
        """The instance takes nothing any more."""
        self._is_serving = False

    def close(self, reason: str) -> None:
        """Let nothing in, for one more reason."""
        with self._lock:
            if reason not in self._reasons:
                self._reasons.append(reason)

    def open(self, reason: str) -> None:
        """Take back this reason; others may stand."""
        with self._lock:
            if reason in self._reasons:
                self._reasons.remove(reason)

    def check_serving(self) -> None:
        """Raises Unavailable before `begin` and after `end`."""
        if not self._is_serving:
            raise Unavailable(STOPPING)

    def check(self) -> None:
        """Raises Unavailable with the reason that stands against new work."""
        if (reason := self.reason) is not None:
            raise Unavailable(reason)
