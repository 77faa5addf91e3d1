"""Decides from the probe's answers whether to restart. Its input is answers and times; it reads no clock.

    loading --serves--> waiting --ready--> healthy --unready for 60 s--> restart Triton
       |                   |                  +-----no answer for 30 s--> restart the gateway
       +------too long-----+--> restart Triton

While Triton loads, the gateway's answers are about the previous run: the gateway reports ready for 30 s after the last
token, and unready only after that. The times in this file are in addition to these 30 s.
"""

from dataclasses import dataclass, field
from enum import Enum

from gateway.cli.supervise.readiness import ProbeResult, State

LOAD_TIMEOUT_S = 600.0
"""Of silence: nothing in Triton's log, and no model that has loaded or failed. Large models take longer to load, or to be
downloaded, and its log tells of it; engines that share a GPU start one after the other."""
FIRST_TOKEN_S = 120.0
UNREADY_S = 60.0
"""Longer than the backend needs to restart an engine in place."""
DISCOVERY_S = 10.0
"""Longer than the gateway takes to see a model that Triton has loaded, and to read its files."""
UNREACHABLE_S = 30.0
UNREACHABLE_AT_START_S = 90.0
"""Longer at the start, because loading models use the processors that the starting gateway needs."""


class Verdict(Enum):
    """The action that the supervisor has to take."""

    NOTHING = "nothing"
    BECAME_READY = "became ready"
    RESTART_TRITON = "restart Triton"
    RESTART_GATEWAY = "restart the gateway"


@dataclass
class Health:
    """The health of one run of Triton, from its start. Create a new object for the next run."""

    started: float
    quiet_since: float = field(default=0.0, kw_only=True)
    """When Triton last wrote into its log."""
    serving_since: float | None = None
    ready_since: float | None = None
    load_timeout_s: float = LOAD_TIMEOUT_S
    waits_for_models: bool = False
    """Nothing can be served until a model is mended or added; no restart would change that."""
    _tried: int = 0
    _tried_last: float = 0.0
    _waiting_since: float | None = None
    _state: State | None = None
    _state_since: float = 0.0

    def feed(self, now: float, answer: ProbeResult, *, serving: bool, idle: bool = False, tried: int = 0) -> Verdict:
        """Judge the latest answer. `serving`: whether Triton has tried its models and has some; `idle`: whether it has
        tried them and has none, which no restart would change; `tried`: how many times a model has loaded or failed."""
        if tried != self._tried:
            self._tried, self._tried_last = tried, now
        lasted = self._lasted(now, answer.state, serving)
        if answer.state is State.UNREACHABLE and lasted >= self._patience():
            self.forget_answers()
            return Verdict.RESTART_GATEWAY
        if idle or (serving and answer.state is State.UNREADY and not answer.curable):
            self._wait_for_models(now, idle)
            return Verdict.NOTHING
        self.waits_for_models, self._waiting_since = False, None
        if self.serving_since is None:
            quiet_s = now - max(self.started, self.quiet_since, self._tried_last)
            return Verdict.RESTART_TRITON if quiet_s >= self.load_timeout_s else Verdict.NOTHING
        if answer.state is State.READY:
            # Triton may have loaded a model that this worker of the gateway has not seen yet.
            waits = bool(answer.awaited) and now - self.serving_since < FIRST_TOKEN_S
            return Verdict.NOTHING if waits else self._became_ready(now)
        if self.ready_since is None:
            return Verdict.RESTART_TRITON if now - self.serving_since >= FIRST_TOKEN_S else Verdict.NOTHING
        if answer.state is State.UNREADY and lasted >= UNREADY_S:
            return Verdict.RESTART_TRITON
        return Verdict.NOTHING

    def forget_answers(self) -> None:
        """Discard all earlier answers and missing answers, because the gateway restarts."""
        self._state = None

    def healthy_for(self, now: float) -> float:
        """How long this run has been ready."""
        return 0.0 if self.ready_since is None else now - self.ready_since

    def _wait_for_models(self, now: float, idle: bool) -> None:
        """Only Triton's own word is certain at once: the gateway may not have looked since a model was loaded."""
        if self._waiting_since is None:
            self._waiting_since = now
        self.waits_for_models = idle or now - self._waiting_since >= DISCOVERY_S
        self.started, self.serving_since = now, None  # its time to load begins with the next model

    def _lasted(self, now: float, state: State, serving: bool) -> float:
        """How long the gateway has been in this state."""
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
