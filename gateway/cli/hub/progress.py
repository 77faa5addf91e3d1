"""Lines about a download, made from how many bytes are there (pure, but for the clock)."""

import time
from collections.abc import Callable

_MB = 1e6
_PER_CENT = 5.0


class Progress:
    """A line for each 5 %, and one when that takes longer than `interval` seconds."""

    def __init__(
        self,
        what: str,
        total: int,
        interval: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` is in bytes."""
        self._what = what
        self._total = total
        self._interval = interval
        self._say = say
        self._clock = clock
        self._told = -_PER_CENT
        self._next = clock() + interval

    def tell(self, done: int) -> None:
        """So many bytes are there now."""
        share = 100.0 * min(done, self._total) / self._total if self._total else 100.0
        moved = share - self._told
        due = share == 100.0 or self._clock() >= self._next
        if moved < _PER_CENT and not (moved > 0 and due):
            return
        self._told, self._next = share, self._clock() + self._interval
        there, total = min(done, self._total) / _MB, self._total / _MB
        self._say(f"downloading {self._what}: {there:,.0f} of {total:,.0f} MB ({share:.0f} %)")
