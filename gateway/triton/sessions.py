"""The sessions with one Triton, by model: opened by the first request, replaced when they are old. Without one, a request
travels directly.

get ──► a live session, or None: then the request travels directly
         │ older than its age: a new one takes the new work, the old one closes with its last request
         │ broken: none for a short random time, so that a fleet does not come back in one moment
         └ never opened: none for longer and longer
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from gateway.triton.session import OpenStream, Session

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(slots=True)
class _Slot:
    """What is known of sessions with one model."""

    session: Session | None = None
    not_before: float = 0.0
    failures: int = 0


class Sessions:
    """Made in the event loop that uses it; `close` it there."""

    def __init__(self, open_stream: OpenStream, *, allowed: bool, max_age_s: float) -> None:
        """Without `allowed` every request travels directly, whatever the backend offers."""
        self._open_stream = open_stream
        self._allowed = allowed
        self._max_age_s = max_age_s
        self._slots: dict[str, _Slot] = {}
        self._retired: set[Session] = set()

    def offer(self, model: str, *, offered: bool) -> None:
        """Note whether the model's backend has sessions, as its description says."""
        if offered and self._allowed:
            self._slots.setdefault(model, _Slot())
        elif (slot := self._slots.pop(model, None)) is not None and slot.session is not None:
            self._retire(slot.session)

    def get(self, model: str) -> Session | None:
        """The session by which a new request may travel, opened if need be."""
        slot = self._slots.get(model)
        if slot is None:
            return None
        session = slot.session
        if session is not None:
            if session.age_s < self._max_age_s:
                return session
            slot.session = None
            self._retire(session)
        if asyncio.get_running_loop().time() < slot.not_before:
            return None
        slot.session = Session(model, self._open_stream, self._broken)
        return slot.session

    async def close(self) -> None:
        """Close all of them; what they still carry is given up."""
        live = [slot.session for slot in self._slots.values() if slot.session is not None]
        self._slots.clear()
        await asyncio.gather(*(session.close() for session in (*live, *self._retired)))

    def _retire(self, session: Session) -> None:
        self._retired.add(session)
        session.retire()

    def _broken(self, session: Session) -> None:
        self._retired.discard(session)
        slot = self._slots.get(session.model)
        if slot is None or slot.session is not session:
            return
        slot.session = None
        slot.failures = 0 if session.opened else slot.failures + 1
        pause_s = min(_PAUSE_S * 2**slot.failures, _LONGEST_PAUSE_S)
        slot.not_before = asyncio.get_running_loop().time() + random.uniform(0.1, 1) * pause_s  # noqa: S311 - no secret
