"""A running `generate`: between the engine, which feeds it, and the outbox, which takes its records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..contract import response
from ..contract.lifecycle import Event, Life, Record
from ..contract.response import StepOutput
from ..engine.interface import Plan
from ..errors import BackendError, Cancelled, Internal
from .outbox import Channel


class Answer(Protocol):
    """Fed with a request's outputs, it gives records and says when the last choice is complete."""

    @property
    def complete(self) -> bool: ...
    def read(self, output: StepOutput) -> list[Record]: ...


OpenAnswer = Callable[[str, Plan], Answer]


def native_answer(rid: str, plan: Plan) -> Answer:
    return response.Answer(
        rid,
        choices=plan.choices,
        prompt_tokens=plan.prompt_tokens,
        alternatives=plan.alternatives,
        token_ids=plan.token_ids,
        prompt_alternatives=plan.prompt_alternatives,
    )


class Generation:
    """The sink of one request, and what the poller and an `abort` can do to it."""

    __slots__ = ("_abort_engine", "_answer", "_channel", "_open_answer", "deadline", "life", "outcome")

    def __init__(
        self,
        life: Life,
        channel: Channel | None,
        abort_engine: Callable[[str], None],
        open_answer: OpenAnswer = native_answer,
    ) -> None:
        """`channel` is that of the request itself; None when its records travel by a session."""
        self.life = life
        self._channel = channel
        self._abort_engine = abort_engine
        self._open_answer = open_answer
        self._answer: Answer | None = None
        # For the metrics: `finished`, or the type of the error that ended it.
        self.outcome = "finished"
        # Its number among the deadlines, if it has one.
        self.deadline: int | None = None

    # What the engine says, on its loop.

    def accepted(self, plan: Plan) -> bool:
        rid = self.life.rid
        self._answer = self._open_answer(rid, plan)
        return self.life.advance(Event.ACCEPT, [response.accepted(rid, plan.prompt_tokens)])

    def step(self, output: StepOutput) -> bool:
        answer = self._answer
        if answer is None or self.life.ended:
            return False
        try:
            records = answer.read(output)
        except BackendError as failure:
            self.failed(failure)
            return False
        if answer.complete:
            return self.life.advance(Event.FINISH, records)
        if output.finished:
            return self.failed(Internal("the engine finished before every choice was complete"))
        return not records or self.life.advance(Event.OUTPUT, records)

    def failed(self, failure: BackendError) -> bool:
        if not self.life.ended:
            self.outcome = failure.type
        event = Event.ABORT if isinstance(failure, Cancelled) else Event.FAIL
        return self.life.advance(event, [response.error(self.life.rid, failure)])

    # What others do to it, from their threads.

    @property
    def is_alone(self) -> bool:
        """Whether it has to be asked for itself if its client has gone."""
        return self._channel is not None

    def is_cancelled(self) -> bool:
        return self._channel is not None and self._channel.is_cancelled()

    def cancel(self) -> None:
        """The client has gone."""
        self.end(Cancelled("the client has gone"))

    def broken(self) -> None:
        """A response could not be sent; what is posted from now on goes nowhere, but the engine is freed."""
        self.end(Internal("a response could not be sent"))

    def end(self, failure: BackendError) -> bool:
        """End it with this error and free the engine; False when it has ended before."""
        if not self.failed(failure):
            return False
        self._abort_engine(self.life.rid)
        return True
