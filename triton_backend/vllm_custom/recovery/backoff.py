"""How long to wait before the next attempt (pure)."""

from __future__ import annotations


class Backoff:
    """The first pause, doubled with each failure in a row up to the longest one; None once the attempts are used up."""

    def __init__(self, first: float, longest: float, attempts: int) -> None:
        self._first = first
        self._longest = longest
        self._attempts = attempts
        self._failures = 0

    def next(self) -> float | None:
        if self._failures >= self._attempts:
            return None
        pause = self._first * 2.0 ** min(self._failures, 64)
        self._failures += 1
        return min(pause, self._longest)

    def served(self, seconds: float) -> None:
        """An engine has served for so many seconds before it failed; if longer than the longest pause, count anew."""
        if seconds > self._longest:
            self._failures = 0
