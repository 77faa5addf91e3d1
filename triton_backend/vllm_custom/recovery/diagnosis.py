"""Is the engine dead, or wedged? Judged from a few numbers that cost nothing to read (pure: no clock, no thread).

Dead is what it says of itself. Wedged is harder, because nothing tells a long step from an endless one at once: a prefill
of 8,000 tokens on a small CPU is one step of a minute. What does tell them apart is the processor: such a prefill uses it,
and a process that was stopped, or waits for a lock that nobody will release, does not. So an engine with requests that has
finished no step for `stall_seconds` is wedged if it was idle all the while, and after the much longer `wedge_seconds` in
any case: two GPUs waiting for each other spin at 100 %.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.interface import Vitals

# Less than this share of one core is idle: the threads that poll something.
IDLE_SHARE = 0.02
# After this share of `stall_seconds` without a step it is worth asking what the processes use, which is not free.
SUSPICION = 0.1
# A gap of so many seconds between two looks: it was this process, or the machine, that stood still.
GAP = 10.0
DIED = "the engine has died"


class Pulse:
    """Look at the vitals regularly; from the first complaint on the engine is past saving."""

    def __init__(self, stall_seconds: float, wedge_seconds: float) -> None:
        self._stall = stall_seconds
        self._wedge = wedge_seconds
        self._steps = -1
        self._since = 0.0
        self._last = float("-inf")
        # When the current measurement of processor time began, and what had been used until then.
        self._measured: tuple[float, float] | None = None

    def feel(self, vitals: Vitals, now: float, processor_seconds: Callable[[], float]) -> str | None:
        """What is wrong, or None. `processor_seconds` is called only when the engine is under suspicion."""
        gap, self._last = now - self._last, now
        if not vitals.alive:
            return DIED
        if vitals.unfinished == 0 or vitals.steps != self._steps or gap > GAP:
            self._steps, self._since, self._measured = vitals.steps, now, None
            return None
        silent = now - self._since
        if silent >= self._wedge:
            return f"the engine has finished no step for {silent:.0f} s"
        if silent >= self._stall * SUSPICION and self._is_idle(now, processor_seconds()):
            return f"the engine has finished no step for {silent:.0f} s and does not compute"
        return None

    def _is_idle(self, now: float, used: float) -> bool:
        # Counted from the first suspicion, so that the verdict comes a little after `stall_seconds`, not at twice that.
        if self._measured is None:
            self._measured = (now, used)
            return False
        began, before = self._measured
        # Less than before: a process of the engine has ended, which is a sign of life too.
        if used < before or used - before >= IDLE_SHARE * self._stall:
            self._measured = (now, used)
            return False
        return now - began >= self._stall * (1 - SUSPICION)
