"""Running requests that end with one result: `embed`, `classify`, `score`, `lora`, and NVIDIA's `embedding_request`."""

from __future__ import annotations

from ..contract import records
from ..contract.lifecycle import Event
from ..engine.interface import Result
from ..errors import Internal
from .running_request import RunningRequest


class RunningResult(RunningRequest):
    """See `interface.ResultSink`."""

    __slots__ = ()

    def finished(self, result: Result) -> bool:
        """The engine's result; False when it came too late."""
        if self.channel is not None:
            self.channel.vectors = result.vectors
        return self.life.advance(Event.ANSWER, [records.result(self.life.rid, result.value)])


class RunningOfficialEmbedding(RunningRequest):
    """See `interface.ResultSink`: the one row of the result becomes the list of numbers that NVIDIA's clients read."""

    __slots__ = ()

    def finished(self, result: Result) -> bool:
        """The engine's result; False when it came too late."""
        if result.vectors is None:
            return self.failed(Internal("the engine gave no vector"))
        value = {"embedding": result.vectors[0].tolist(), "prompt_tokens": result.value["prompt_tokens"]}
        return self.life.advance(Event.ANSWER, [records.result(self.life.rid, value)])
