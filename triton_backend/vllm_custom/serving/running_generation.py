"""A running `generate`, official ones included."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import records
from ..contract.lifecycle import Event, Life
from ..contract.outputs import StepOutput
from ..contract.plan import Plan
from ..contract.record_builder import MakeBuilder, NativeRecordBuilder, RecordBuilder
from ..errors import BackendError, Internal
from .outbox import Channel
from .running_request import RunningRequest


class RunningGeneration(RunningRequest):
    """See `interface.GenerationSink`. `make_builder` decides in which form the client reads the outputs."""

    __slots__ = ("_builder", "_make_builder")

    def __init__(
        self,
        life: Life,
        channel: Channel | None,
        abort_engine: Callable[[str], None],
        make_builder: MakeBuilder = NativeRecordBuilder,
    ) -> None:
        super().__init__(life, channel, abort_engine)
        self._make_builder = make_builder
        self._builder: RecordBuilder | None = None

    def accepted(self, plan: Plan) -> bool:
        """The engine has queued it; False when it has ended before."""
        rid = self.life.rid
        self._builder = self._make_builder(rid, plan)
        return self.life.advance(Event.ACCEPT, [records.accepted(rid, plan.prompt_tokens)])

    def step(self, output: StepOutput) -> bool:
        """One step's output; False when the engine should make no more. Called once a token: nothing here may wait."""
        builder = self._builder
        if builder is None or self.life.ended:
            return False
        try:
            made = builder.read(output)
        except BackendError as failure:
            self.failed(failure)
            return False
        if builder.complete:
            return self.life.advance(Event.FINISH, made)
        if output.finished:
            return self.failed(Internal("the engine finished before every choice was complete"))
        return not made or self.life.advance(Event.OUTPUT, made)
