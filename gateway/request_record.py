"""What happens to one request, in one place: its metrics and its line in the log are made from this record.

    arrived ── admitted ── accepted ── first token ── tokens ── ended: status, and why
                 │ a permit   │ by the engine

Code that sees one of these events calls the method of that name on the record of the current request (`current`). A task
that serves several requests, such as a session's reader, gets the record from the request that started the work.
"""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from typing import Final

from gateway import metrics

log = logging.getLogger(__name__)

_CLIENT_LEFT: Final = "client_left"


class RequestRecord:
    """One request. Times are in seconds by `time.monotonic`, None as long as the event has not come."""

    __slots__ = (
        "accepted_at",
        "admitted_at",
        "arrived_at",
        "completion_tokens",
        "first_token_at",
        "id",
        "prompt_tokens",
        "retries",
        "why",
    )

    def __init__(self, id: str = "-") -> None:
        """`id` is what both sides find in their logs; `-` outside of requests."""
        self.id = id
        self.arrived_at = time.monotonic()
        self.admitted_at: float | None = None
        self.accepted_at: float | None = None
        self.first_token_at: float | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.retries = 0
        self.why: str | None = None

    @property
    def age_s(self) -> float:
        """The time since it arrived."""
        return time.monotonic() - self.arrived_at

    def admitted(self) -> None:
        """It has its permit."""
        self.admitted_at = self.admitted_at or time.monotonic()

    def accepted(self) -> None:
        """The engine has validated and queued it."""
        self.accepted_at = self.accepted_at or time.monotonic()

    def first_token(self, model: str, seconds: float) -> None:
        """The first content of a generation has come, so long after it was dispatched."""
        self.first_token_at = self.first_token_at or time.monotonic()
        metrics.labelled(metrics.FIRST_TOKEN_SECONDS, model).observe(seconds)

    def used(self, model: str, *, prompt_tokens: int, completion_tokens: int = 0) -> None:
        """So many tokens of a model were used."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        metrics.labelled(metrics.PROMPT_TOKENS, model).inc(prompt_tokens)
        if completion_tokens:
            metrics.labelled(metrics.COMPLETION_TOKENS, model).inc(completion_tokens)

    def retried(self, model: str) -> None:
        """It was lost on one Triton and is tried on another."""
        self.retries += 1
        metrics.labelled(metrics.RETRIES, model).inc()

    def failed(self, why: str) -> None:
        """It ends with an error, whose type or code says why."""
        self.why = why

    def client_left(self) -> None:
        """Its client went away before the end."""
        self.why = _CLIENT_LEFT

    def ended(self, *, method: str, route: str, status: int, caller: str) -> None:
        """The last of its answer is on its way. `method` and `route` are from closed sets, whatever the client sent."""
        seconds = self.age_s
        metrics.labelled(metrics.REQUESTS, route, method, str(status)).inc()
        metrics.labelled(metrics.REQUEST_SECONDS, route).observe(seconds)
        if self.why == _CLIENT_LEFT:
            metrics.labelled(metrics.DISCONNECTS, route).inc()
        why = "" if self.why is None else f" ({self.why})"
        log.info("%s %s %d %.1f ms for %s%s", method, route, status, seconds * 1000, caller, why)


_current: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def current() -> RequestRecord:
    """The record of the request that the current task works for; one of its own outside of requests."""
    return _current.get() or RequestRecord()


def begin(id: str) -> RequestRecord:
    """A request has arrived, and the current task works for it from now on."""
    record = RequestRecord(id)
    _current.set(record)
    return record
