"""How much a key may ask for in a minute: requests, and tokens.

Each limit is a token bucket. It holds one minute's worth, starts full and refills evenly, so a caller may spend what it has
saved at once, but never more than one bucket plus what refills meanwhile. A request takes the most tokens that it could use
when it begins, and settles the difference when it ends; if it used more than it took, the bucket goes into debt.
Everything is counted in integers, so that a client that waits exactly the `Retry-After` it was given is let in. Why this is
written by hand: docs/adr/0005-limits-are-buckets.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from gateway.errors import RequestsLimited, RequestTooLarge, TokensLimited
from gateway.generation import Accepted, Delta, GenerationOutput, ParsedDelta, usage_of

_MINUTE_NS: Final = 60_000_000_000
_MS: Final = 1_000_000


class Bucket:
    """Allows `per_minute` units of something. The level is counted in units times nanoseconds of a minute, so that each
    nanosecond adds exactly `per_minute` to it."""

    def __init__(self, per_minute: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._full = per_minute * _MINUTE_NS
        self._level = self._full
        self._as_of = clock()

    @property
    def remaining(self) -> int:
        """Whole units that could be taken now."""
        return max(0, self._filled() // _MINUTE_NS)

    @property
    def reset_ns(self) -> int:
        """The time until it is full again."""
        return -((self._filled() - self._full) // self.per_minute)

    def wait_ns(self, amount: int) -> int:
        """The time until this amount could be taken. More than `per_minute` never can."""
        return max(0, -((self._filled() - amount * _MINUTE_NS) // self.per_minute))

    def take(self, amount: int) -> None:
        """Take this amount. More than there is leaves a debt; a negative amount is put back."""
        self._level = min(self._full, self._filled() - amount * _MINUTE_NS)

    def _filled(self) -> int:
        now = self._clock()
        self._level = min(self._full, self._level + (now - self._as_of) * self.per_minute)
        self._as_of = now
        return self._level


Limited = Literal["requests", "tokens"]


class LimitState(NamedTuple):
    """What is limited, how much of it a minute allows and how much is left, and the time until all of it is there again."""

    what: Limited
    per_minute: int
    remaining: int
    reset_ns: int


class Quota:
    """The limits of one key. A bucket that is None does not limit."""

    def __init__(self, requests: Bucket | None = None, tokens: Bucket | None = None) -> None:
        self._requests = requests
        self._tokens = tokens

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to count."""
        return self._requests is not None or self._tokens is not None

    def count_request(self) -> None:
        """Count one more request. Raises RequestsLimited."""
        if self._requests is None:
            return
        if wait_ns := self._requests.wait_ns(1):
            raise RequestsLimited(
                _reached("requests per min (RPM)", self._requests, 1, wait_ns), retry_after_s=_s(wait_ns)
            )
        self._requests.take(1)

    def reserve(self, tokens: int) -> Reservation | None:
        """Take what a request may use at most; None where tokens are not limited. Raises TokensLimited, or RequestTooLarge
        where waiting would not help."""
        if self._tokens is None:
            return None
        if tokens > self._tokens.per_minute:
            raise RequestTooLarge(limit=self._tokens.per_minute, requested=tokens)
        if wait_ns := self._tokens.wait_ns(tokens):
            raise TokensLimited(
                _reached("tokens per min (TPM)", self._tokens, tokens, wait_ns), retry_after_s=_s(wait_ns)
            )
        self._tokens.take(tokens)
        return Reservation(self._tokens, tokens)

    def limits(self) -> list[LimitState]:
        """The present state of each limit that there is."""
        buckets: tuple[tuple[Limited, Bucket | None], ...] = (("requests", self._requests), ("tokens", self._tokens))
        return [
            LimitState(what, bucket.per_minute, bucket.remaining, bucket.reset_ns)
            for what, bucket in buckets
            if bucket is not None
        ]


class Reservation:
    """The tokens that a request has taken. `settle` gives back those that it has not `used`."""

    def __init__(self, bucket: Bucket, taken: int) -> None:
        self._bucket = bucket
        self._taken = taken
        self.used = 0

    def count(self, outputs: Sequence[GenerationOutput]) -> None:
        """Count what a generation has used: its final usage, or the tokens that have come so far if it breaks off."""
        if (usage := usage_of(outputs)) is not None:
            self.used = usage.prompt_tokens + usage.completion_tokens
            return
        for output in outputs:
            if isinstance(output, Accepted):
                self.used = output.prompt_tokens
            elif isinstance(output, (Delta, ParsedDelta)):
                self.used += output.token_count

    def settle(self) -> None:
        """Give back what was not used. Called once, when the request has ended."""
        self._bucket.take(self.used - self._taken)


def duration(ns: int) -> str:
    """A duration as OpenAI's headers (and Go) write it: `0s`, `20ms`, `1.5s`, `6m0s`. Rounded up to a millisecond."""
    ms = -(-ns // _MS)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest / 1000:g}s"
    return f"{minutes}m{seconds}" if minutes else seconds


def _s(ns: int) -> float:
    return -(-ns // _MS) / 1000


def _reached(what: str, bucket: Bucket, requested: int, wait_ns: int) -> str:
    return (
        f"Rate limit reached on {what}: Limit {bucket.per_minute}, Used {bucket.per_minute - bucket.remaining},"
        f" Requested {requested}. Please try again in {duration(wait_ns)}."
    )
