"""Several equal choices, made of one (pure).

At temperature 0 vLLM has one answer and refuses `n` above 1, where OpenAI gives as many equal choices as were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..contract.outputs import ChoiceOutput, StepOutput
from .generation import Generation, Step


@dataclass(frozen=True, slots=True)
class RepeatedChoice:
    """See `outputs.ChoiceOutput`."""

    index: int
    text: str
    token_ids: Sequence[int]
    logprobs: Any
    cumulative_logprob: float | None
    finish_reason: str | None
    stop_reason: int | str | None


@dataclass(frozen=True, slots=True)
class RepeatedStep:
    """See `outputs.StepOutput`."""

    outputs: Sequence[RepeatedChoice]
    finished: bool
    num_cached_tokens: int | None
    prompt_token_ids: Sequence[int] | None
    prompt_logprobs: Any


class RepeatedGeneration:
    """See `generation.Generation`: another one, of one choice, with that choice repeated."""

    __slots__ = ("_inner", "plan")

    def __init__(self, inner: Generation, choices: int) -> None:
        self._inner = inner
        self.plan = replace(inner.plan, choices=choices)

    async def follow(self, step: Step) -> bool:
        choices = self.plan.choices
        return await self._inner.follow(lambda output: step(repeated(output, choices)))

    async def abort(self) -> None:
        await self._inner.abort()


def repeated(step: StepOutput, choices: int) -> RepeatedStep:
    """The step of one choice as that of several."""
    return RepeatedStep(
        [_copy(output, index) for output in step.outputs for index in range(choices)],
        step.finished,
        step.num_cached_tokens,
        getattr(step, "prompt_token_ids", None),
        getattr(step, "prompt_logprobs", None),
    )


def _copy(output: ChoiceOutput, index: int) -> RepeatedChoice:
    return RepeatedChoice(
        index,
        output.text,
        output.token_ids,
        output.logprobs,
        output.cumulative_logprob,
        output.finish_reason,
        output.stop_reason,
    )
