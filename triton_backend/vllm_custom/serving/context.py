"""What the operations are given: everything of the instance that they may use, and the request at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract import records
from ..contract.files import Files
from ..contract.lifecycle import Event, Life
from ..contract.lora import Lora
from ..contract.pooling import Pool
from ..engine.interface import Facts
from ..recovery.recovering_engine import RecoveringEngine
from .cancellation import Poller
from .deadlines import Deadlines
from .gate import Gate
from .outbox import Channel, Outbox
from .pending_lives import PendingLives
from .running_requests import RunningRequests
from .running_result import RunningResult
from .session import Sessions
from .supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Serving:
    """One instance that has started. `control_ops` are those that model.json allows."""

    model: str
    engine: RecoveringEngine
    facts: Facts
    files: Files
    gate: Gate
    running: RunningRequests
    supervisor: Supervisor
    sessions: Sessions
    deadlines: Deadlines
    poller: Poller
    outbox: Outbox
    control_ops: tuple[str, ...]
    pending_control: PendingLives

    def is_ready(self) -> bool:
        """Whether a request would be taken now; returns at once, without asking the engine."""
        return is_ready(self.gate, self.engine)

    def run_for_result(self, request: Pool | Lora, call: Call) -> None:
        """Hand a request to the engine that ends with one result."""
        running = RunningResult(call.life, call.channel, self.engine.abort)
        submit = self.engine.submit_for_result
        self.supervisor.run(running, call.channel, request.timeout, lambda: submit(request, running))


@dataclass(frozen=True, slots=True)
class Call:
    """One request as Triton handed it over: its life, and the channel of its own response."""

    life: Life
    channel: Channel

    def answer(self, *made: records.Record) -> None:
        """End it with these records."""
        self.life.advance(Event.ANSWER, [*made])

    def answer_result(self, value: Mapping[str, Any]) -> None:
        """End it with one `result`."""
        self.answer(records.result(self.life.rid, value))


def is_ready(gate: Gate, engine: RecoveringEngine) -> bool:
    """See `Serving.is_ready`."""
    return gate.is_serving and gate.reason is None and engine.vitals().alive
