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
from typing import Any

Record = list[Any]


class State(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"
    FAILED = "failed"

    # Enum's own is a Python function, and the table below is asked once a token.
    __hash__ = object.__hash__


class Event(enum.Enum):
    ACCEPT = "accept"
    ANSWER = "answer"
    OUTPUT = "output"
    FINISH = "finish"
    ABORT = "abort"
    FAIL = "fail"

    __hash__ = object.__hash__


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.ACCEPT): State.RUNNING,
    (State.QUEUED, Event.ANSWER): State.FINISHED,
    (State.QUEUED, Event.ABORT): State.ABORTED,
    (State.QUEUED, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.OUTPUT): State.RUNNING,
    (State.RUNNING, Event.FINISH): State.FINISHED,
    (State.RUNNING, Event.ABORT): State.ABORTED,
    (State.RUNNING, Event.FAIL): State.FAILED,
}
TERMINAL = frozenset({State.FINISHED, State.ABORTED, State.FAILED})


class IllegalTransition(Exception):
    """The engine told us something that cannot follow what it told us before: a fault in our code."""


Post = Callable[[list[Record], bool], None]


class Life:
    """The state of one request. `post(records, final)` is called in order, and with `final` exactly once."""

    __slots__ = ("_lock", "_post", "_state", "on_end", "rid")

    def __init__(self, rid: str, post: Post) -> None:
        self.rid = rid
        # Called once, after the terminal record has been posted, by the thread that ended the life.
        self.on_end: Callable[[], None] | None = None
        self._post = post
        self._state = State.QUEUED
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
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
