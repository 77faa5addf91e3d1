"""Finds out whether an engine is dead or wedged, from a few numbers that cost nothing to read (pure: no clock, no thread).

An engine reports by itself that it is dead. To find out that it is wedged is harder, because a long step and an endless
one look alike at first: a prefill of 8,000 tokens on a small CPU is one step of a minute. The difference is the processor:
such a prefill uses it, and a process that was stopped, or that waits for a lock that is never released, does not. So an
engine with requests that has finished no step for `stall_seconds` is wedged if it used no processor meanwhile. After the
much longer `wedge_seconds` it is wedged in any case: two GPUs that wait for each other spin at 100 %.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.interface import Vitals

# A process that uses less than this share of one core is idle: only its threads that poll something run.
IDLE_SHARE = 0.02
# Processor time, which is not free to read, is read only after this share of `stall_seconds` without a step.
SUSPICION = 0.1
# A gap of so many seconds between two checks: it was this process, or the machine, that stood still.
GAP = 10.0
DIED = "the engine has died"


class StallDetector:
    """`check` is called regularly with the engine's vitals; once it has found something, the engine has to be replaced."""

    def __init__(self, stall_seconds: float, wedge_seconds: float) -> None:
        self._stall = stall_seconds
        self._wedge = wedge_seconds
        self._steps = -1
        self._since = 0.0
        self._last = float("-inf")
        # When the current measurement of processor time began, and what had been used until then.
        self._measured: tuple[float, float] | None = None

    def check(self, vitals: Vitals, now: float, processor_seconds: Callable[[], float]) -> str | None:
        """What is wrong, or None. `now` in seconds; `processor_seconds` is called only when a step takes very long."""
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
        # Measured from the first suspicion on, so that a stall is found soon after `stall_seconds`, not after twice that.
        if self._measured is None:
            self._measured = (now, used)
            return False
        began, before = self._measured
        # Less than before means that a process of the engine has ended, which is a sign of life too.
        if used < before or used - before >= IDLE_SHARE * self._stall:
            self._measured = (now, used)
            return False
        return now - began >= self._stall * (1 - SUSPICION)
