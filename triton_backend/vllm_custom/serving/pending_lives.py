"""Control ops that wait for the engine, or for what runs to end."""

from __future__ import annotations

import logging
import threading

from ..contract import records
from ..contract.lifecycle import Event, Life
from ..errors import BackendError

logger = logging.getLogger(__name__)


class PendingLives:
    """Those that have no answer yet, so that all of them have one when the engine fails or the server stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: set[Life] = set()

    def add(self, life: Life) -> None:
        """Remember it until it ends."""
        with self._lock:
            self._pending.add(life)
        life.on_end = lambda: self._forget(life)

    def fail_all(self, failure: BackendError) -> None:
        """End all of them with this error."""
        with self._lock:
            pending = list(self._pending)
        for life in pending:
            fail(life, failure)

    def _forget(self, life: Life) -> None:
        with self._lock:
            self._pending.discard(life)


def fail(life: Life, failure: BackendError) -> None:
    """End one control op with an error; nothing happens when it has ended before."""
    if failure.type == "internal":
        logger.error("the control op %s failed: %s", life.rid, failure.message)
    life.advance(Event.FAIL, [records.error(life.rid, failure)])
