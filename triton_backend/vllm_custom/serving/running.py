"""The running requests of one instance, by rid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from ..errors import BadRequest, Cancelled
from .generation import Generation

# Aborts that came before their generate; beyond this many the oldest is forgotten.
REMEMBERED_ABORTS = 1024


class Active:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Generation] = {}
        self._early_aborts: OrderedDict[str, None] = OrderedDict()
        self._when_empty: list[Callable[[], None]] = []

    def add(self, generation: Generation) -> None:
        """Raises BadRequest while another request has this rid, and Cancelled when its abort was faster than it."""
        rid = generation.life.rid
        with self._lock:
            if rid in self._running:
                raise BadRequest(f"the rid {rid} is in use", param="rid")
            if rid in self._early_aborts:
                del self._early_aborts[rid]
                raise Cancelled("aborted before it came")
            self._running[rid] = generation

    def remove(self, generation: Generation) -> None:
        """Harmless for one that was never added, even if another with the same rid was."""
        with self._lock:
            if self._running.get(generation.life.rid) is generation:
                del self._running[generation.life.rid]
            waiting = self._waiting()
        for callback in waiting:
            callback()

    def when_empty(self, callback: Callable[[], None]) -> None:
        """Call back once: now if nothing runs, otherwise from the thread that ends the last request."""
        with self._lock:
            self._when_empty.append(callback)
            waiting = self._waiting()
        for waiting_callback in waiting:
            waiting_callback()

    def _waiting(self) -> list[Callable[[], None]]:
        if self._running:
            return []
        waiting, self._when_empty = self._when_empty, []
        return waiting

    def abort(self, rid: str) -> bool:
        """Whether a running request was ended. An unknown rid is remembered, in case its generate is still coming."""
        with self._lock:
            generation = self._running.get(rid)
            if generation is None:
                self._remember(rid)
                return False
        return generation.end(Cancelled("aborted on request"))

    def snapshot(self) -> list[Generation]:
        with self._lock:
            return list(self._running.values())

    def _remember(self, rid: str) -> None:
        self._early_aborts[rid] = None
        self._early_aborts.move_to_end(rid)
        if len(self._early_aborts) > REMEMBERED_ABORTS:
            self._early_aborts.popitem(last=False)
