"""A whole answer is the fold of the same outputs that make a stream, so that the two can't disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.answers.logprobs import prompt_logprobs
from gateway.answers.plan import AnswerPlan
from gateway.answers.usage import wire_usage
from gateway.errors import InternalError
from gateway.generation import (
    NO_USAGE,
    Accepted,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    PromptLogprobs,
    TokenLogprob,
    ToolCallDelta,
)
from gateway.wire.answers import CompletionUsage
from gateway.wire.answers import PromptLogprobs as WirePromptLogprobs


@dataclass(slots=True)
class FoldedChoice:
    """The parts of one choice that have arrived."""

    texts: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    tool_calls: dict[int, list[ToolCallDelta]] = field(default_factory=dict[int, list[ToolCallDelta]])
    logprobs: list[TokenLogprob] | None = None
    token_ids: list[int] | None = None
    end: End | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def take(self, output: Delta | ParsedDelta | End) -> None:
        """Add what came next."""
        if isinstance(output, End):
            self.end = output
            return
        if isinstance(output, ParsedDelta):
            self.reasoning.append(output.reasoning)
            for call in output.tool_calls:
                self.tool_calls.setdefault(call.number, []).append(call)
        self.texts.append(output.text)
        if output.logprobs is not None:
            if self.logprobs is None:
                self.logprobs = []
            self.logprobs += output.logprobs
        if output.token_ids is not None:
            if self.token_ids is None:
                self.token_ids = []
            self.token_ids += output.token_ids


class Fold:
    """The outputs of an answer, collected by choice. It is an `OutputSink` that can always take more."""

    def __init__(self, plan: AnswerPlan) -> None:
        self._plan = plan
        self._choices = [FoldedChoice() for _ in range(plan.choices)]
        self._prompts: dict[int, PromptLogprobs] = {}
        self._echo = plan.echo()
        self._usage = NO_USAGE

    def feed(self, outputs: Iterable[GenerationOutput]) -> None:
        """Collect them."""
        if self._echo is not None:
            outputs = self._echo.feed(outputs)
        for output in outputs:
            if isinstance(output, Accepted):
                continue
            if isinstance(output, PromptLogprobs):
                self._prompts[output.choice // self._plan.choices_each] = output
                continue
            self._choices[output.choice].take(output)
            if isinstance(output, End) and output.usage is not None:
                self._usage += output.usage

    def take(self, outputs: list[GenerationOutput]) -> None:
        """See `OutputSink`."""
        self.feed(outputs)

    def take_text(self, choice: int, text: str, token_count: int) -> None:
        """See `OutputSink`."""
        self.feed((Delta(choice, text, token_count, None),))

    def ended(self) -> list[tuple[FoldedChoice, End]]:
        """Every choice with its end. Raises InternalError if the backend has not ended one."""
        pairs = [(choice, choice.end) for choice in self._choices if choice.end is not None]
        if len(pairs) != len(self._choices):
            raise InternalError
        return pairs

    def usage(self) -> CompletionUsage:
        """OpenAI's `usage` of all prompts together."""
        return wire_usage(self._usage)

    def prompt_token_ids(self, prompt: int) -> list[int] | None:
        """The token ids of a prompt, if the client asked for them."""
        prompts = self._plan.prompt_token_ids
        return None if prompts is None else list(prompts[prompt])

    def prompt_logprobs(self, prompt: int) -> WirePromptLogprobs | None:
        """The log-probabilities of a prompt, if the client asked for them."""
        scored = self._prompts.get(prompt) if self._plan.returns_prompt_logprobs else None
        return None if scored is None else prompt_logprobs(scored.tokens)
