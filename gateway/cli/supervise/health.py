"""When the probe's answers call for a restart. Fed with answers and times; knows no clock.

    starting --ready--> healthy --unready for 15 s--> restart Triton
        |                  +-----no answer for 30 s--> restart the gateway
        +--too long--> restart Triton

The gateway says unready only after 30 s without a token, so what is waited here comes on top.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.cli.supervise.readiness import Answer, State

LOAD_TIMEOUT_S = 600.0
UNREADY_S = 15.0
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
    ready_since: float | None = None
    _state: State | None = None
    _state_since: float = 0.0

    def feed(self, now: float, answer: Answer) -> Verdict:
        """Judge the latest answer."""
        if answer.state is not self._state:
            self._state, self._state_since = answer.state, now
        lasted = now - self._state_since
        if answer.state is State.READY:
            return self._became_ready(now)
        patience = UNREACHABLE_AT_START_S if self.ready_since is None else UNREACHABLE_S
        if answer.state is State.UNREACHABLE and lasted >= patience:
            self.forget_answers()
            return Verdict.RESTART_GATEWAY
        if self.ready_since is None:
            return Verdict.RESTART_TRITON if now - self.started >= LOAD_TIMEOUT_S else Verdict.NOTHING
        if answer.state is State.UNREADY and lasted >= UNREADY_S:
            return Verdict.RESTART_TRITON
        return Verdict.NOTHING

    def forget_answers(self) -> None:
        """The gateway starts anew: what it said, or did not say, counts no longer."""
        self._state = None

    def healthy_for(self, now: float) -> float:
        """How long this run has been of use."""
        return 0.0 if self.ready_since is None else now - self.ready_since

    def _became_ready(self, now: float) -> Verdict:
        if self.ready_since is not None:
            return Verdict.NOTHING
        self.ready_since = now
        return Verdict.BECAME_READY
