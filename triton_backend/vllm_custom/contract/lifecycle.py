"""One request's life, from the call of execute to its only final response.

                 accept              finish
      QUEUED ────────────► RUNNING ─────────► FINISHED
        │ │                 │  │ ▲
        │ │ answer          │  └─┘ output
        │ └──► FINISHED     │
        ├── abort ──────────┼── abort ──────► ABORTED
        └── fail ───────────┴── fail ───────► FAILED

The three states on the right are terminal: entering one posts the terminal record with the final flag, and every
later event is refused. So "exactly one final response" is a property of the table below, whichever thread comes first.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable

from .records import Record


class RequestState(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"
    FAILED = "failed"

    # Enum's own is a Python function, and a state is looked up in the table below once a token.
    __hash__ = object.__hash__


class Event(enum.Enum):
    ACCEPT = "accept"
    ANSWER = "answer"
    OUTPUT = "output"
    FINISH = "finish"
    ABORT = "abort"
    FAIL = "fail"

    __hash__ = object.__hash__


TRANSITIONS: dict[tuple[RequestState, Event], RequestState] = {
    (RequestState.QUEUED, Event.ACCEPT): RequestState.RUNNING,
    (RequestState.QUEUED, Event.ANSWER): RequestState.FINISHED,
    (RequestState.QUEUED, Event.ABORT): RequestState.ABORTED,
    (RequestState.QUEUED, Event.FAIL): RequestState.FAILED,
    (RequestState.RUNNING, Event.OUTPUT): RequestState.RUNNING,
    (RequestState.RUNNING, Event.FINISH): RequestState.FINISHED,
    (RequestState.RUNNING, Event.ABORT): RequestState.ABORTED,
    (RequestState.RUNNING, Event.FAIL): RequestState.FAILED,
}
TERMINAL = frozenset({RequestState.FINISHED, RequestState.ABORTED, RequestState.FAILED})


class IllegalTransition(Exception):
    """An event that cannot follow what came before: a fault in our code."""


Post = Callable[[list[Record], bool], None]
"""Takes records and whether they are the last; returns at once."""


class Life:
    """The state of one request. `post(records, final)` is called in order, and with `final` exactly once."""

    __slots__ = ("_lock", "_post", "_state", "on_end", "rid")

    def __init__(self, rid: str, post: Post) -> None:
        self.rid = rid
        # Called once, after the terminal record has been posted, by the thread that ended the life.
        self.on_end: Callable[[], None] | None = None
        self._post = post
        self._state = RequestState.QUEUED
        self._lock = threading.Lock()

    @property
    def state(self) -> RequestState:
        return self._state

    @property
    def ended(self) -> bool:
        return self._state in TERMINAL

    def advance(self, event: Event, records: list[Record]) -> bool:
        """Take the event and post its records; False, and nothing is posted, when the life has ended before."""
        with self._lock:
            if self._state in TERMINAL:
                return False
            following = TRANSITIONS.get((self._state, event))
            if following is None:
                raise IllegalTransition(f"{event.value} while {self._state.value}")
            self._state = following
            final = following in TERMINAL
            # Posted under the lock, so that no other thread's records can slip behind the final one.
            self._post(records, final)
        if final and self.on_end is not None:
            self.on_end()
        return True
