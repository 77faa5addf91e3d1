"""When the probe's answers call for a restart. Fed with answers and times; knows no clock.

    loading --serves--> waiting --ready--> healthy --unready for 60 s--> restart Triton
       |                   |                  +-----no answer for 30 s--> restart the gateway
       +------too long-----+--> restart Triton

What the gateway says while Triton loads is not about this run: it goes on saying ready for 30 s after the last token, and
says unready only after them. What is waited here comes on top.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.cli.supervise.readiness import Answer, State

LOAD_TIMEOUT_S = 600.0
FIRST_TOKEN_S = 120.0
UNREADY_S = 60.0
"""Longer than an engine takes that the backend starts again in place."""
UNREACHABLE_S = 30.0
UNREACHABLE_AT_START_S = 90.0
"""Models that load take the processors from a gateway that starts."""


class Verdict(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    BECAME_READY = "became ready"
    RESTART_TRITON = "restart Triton"
    RESTART_GATEWAY = "restart the gateway"


@dataclass
class Health:
    """One run of Triton, from its start: make a new one for the next."""

    started: float
    serving_since: float | None = None
    ready_since: float | None = None
    _state: State | None = None
    _state_since: float = 0.0

    def feed(self, now: float, answer: Answer, *, serving: bool) -> Verdict:
        """Judge the latest answer; `serving` is whether Triton has loaded its models."""
        lasted = self._lasted(now, answer.state, serving)
        if answer.state is State.UNREACHABLE and lasted >= self._patience():
            self.forget_answers()
            return Verdict.RESTART_GATEWAY
        if self.serving_since is None:
            return Verdict.RESTART_TRITON if now - self.started >= LOAD_TIMEOUT_S else Verdict.NOTHING
        if answer.state is State.READY:
            return self._became_ready(now)
        if self.ready_since is None:
            return Verdict.RESTART_TRITON if now - self.serving_since >= FIRST_TOKEN_S else Verdict.NOTHING
        if answer.state is State.UNREADY and lasted >= UNREADY_S:
            return Verdict.RESTART_TRITON
        return Verdict.NOTHING

    def forget_answers(self) -> None:
        """The gateway starts anew: what it said, or did not say, counts no longer."""
        self._state = None

    def healthy_for(self, now: float) -> float:
        """How long this run has been of use."""
        return 0.0 if self.ready_since is None else now - self.ready_since

    def _lasted(self, now: float, state: State, serving: bool) -> float:
        """How long this has been so."""
        if serving and self.serving_since is None:
            self.serving_since = now
            self.forget_answers()
        if state is not self._state:
            self._state, self._state_since = state, now
        return now - self._state_since

    def _patience(self) -> float:
        return UNREACHABLE_AT_START_S if self.ready_since is None else UNREACHABLE_S

    def _became_ready(self, now: float) -> Verdict:
        if self.ready_since is not None:
            return Verdict.NOTHING
        self.ready_since = now
        return Verdict.BECAME_READY
