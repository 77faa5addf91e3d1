"""Whether new work is let in, and if not, why."""

from __future__ import annotations

import threading

from ..errors import Unavailable

DRAINING = "the model is being drained"
ASLEEP = "the model is asleep"
STOPPING = "the server is stopping"


class Gate:
    """Open while no reason stands against it. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: list[str] = []

    @property
    def reason(self) -> str | None:
        with self._lock:
            return self._reasons[-1] if self._reasons else None

    def close(self, reason: str) -> None:
        with self._lock:
            if reason not in self._reasons:
                self._reasons.append(reason)

    def open(self, reason: str) -> None:
        """Take back this reason; others may stand."""
        with self._lock:
            if reason in self._reasons:
                self._reasons.remove(reason)

    def check(self) -> None:
        if (reason := self.reason) is not None:
            raise Unavailable(reason)
