"""The running requests of one instance, by rid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from ..errors import BadRequest, Cancelled
from .running_request import RunningRequest

# Aborts that came before the request they are for; beyond this many the oldest is forgotten.
REMEMBERED_ABORTS = 1024


class RunningRequests:
    """All that run, of both kinds of clients. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, RunningRequest] = {}
        self._early_aborts: OrderedDict[str, None] = OrderedDict()
        self._when_empty: list[Callable[[], None]] = []

    def add(self, request: RunningRequest) -> None:
        """Raises BadRequest while another request has this rid, and Cancelled when its abort came before it."""
        rid = request.life.rid
        with self._lock:
            if rid in self._running:
                raise BadRequest(f"the rid {rid} is in use", param="rid")
            if rid in self._early_aborts:
                del self._early_aborts[rid]
                raise Cancelled("aborted before it came")
            self._running[rid] = request

    def remove(self, request: RunningRequest) -> None:
        """Forget it; ignored for one that was never added, even if another with the same rid was."""
        with self._lock:
            if self._running.get(request.life.rid) is request:
                del self._running[request.life.rid]
            due = self._take_due()
        for callback in due:
            callback()

    def when_empty(self, callback: Callable[[], None]) -> None:
        """Call back once: now if nothing runs, otherwise from the thread that ends the last request."""
        with self._lock:
            self._when_empty.append(callback)
            due = self._take_due()
        for each in due:
            each()

    def _take_due(self) -> list[Callable[[], None]]:
        if self._running:
            return []
        due, self._when_empty = self._when_empty, []
        return due

    def abort(self, rid: str) -> bool:
        """Whether a running request was ended. An unknown rid is remembered, in case its request is still to come."""
        with self._lock:
            request = self._running.get(rid)
            if request is None:
                self._remember(rid)
                return False
        return request.end(Cancelled("aborted on request"))

    def __len__(self) -> int:
        with self._lock:
            return len(self._running)

    def snapshot(self) -> list[RunningRequest]:
        with self._lock:
            return list(self._running.values())

    def _remember(self, rid: str) -> None:
        self._early_aborts[rid] = None
        self._early_aborts.move_to_end(rid)
        if len(self._early_aborts) > REMEMBERED_ABORTS:
            self._early_aborts.popitem(last=False)
