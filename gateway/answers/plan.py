"""What is known of an answer before its first token, and which of its parts the client wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.answers.echo import Echo, EchoedPrompt
from gateway.answers.logprobs import BY_TEXT, TokenNames


@dataclass(frozen=True, slots=True)
class Best:
    """`best_of`: of the choices of each prompt, return the `kept` ones with the highest mean log-probability a token."""

    kept: int
    returns_logprobs: bool


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """`id`, `created` and `model` stand in every chunk. `choices` counts all alternatives of all prompts."""

    id: str
    created: int
    model: str
    choices: int = 1
    prompts: int = 1
    include_usage: bool = False
    # Every chunk has the usage so far.
    continuous_usage: bool = False
    # The content begins as null, because it may stay that.
    may_call: bool = False
    # Calls are written in OpenAI's deprecated shape.
    calls_functions: bool = False
    names: TokenNames = BY_TEXT
    returns_prompt_logprobs: bool = False
    # Each prompt's, where token ids are to be returned.
    prompt_token_ids: Sequence[Sequence[int]] | None = None
    # Each prompt, where it is to be repeated before the answer.
    echoed: Sequence[EchoedPrompt] | None = None
    # No token was asked for.
    is_empty: bool = False
    best: Best | None = None

    @property
    def choices_each(self) -> int:
        """How many belong to a prompt; choice `i` to prompt `i // choices_each`."""
        return self.choices // self.prompts

    def echo(self) -> Echo | None:
        """A new `Echo`, if the answer begins with its prompt; it keeps state for one answer."""
        if self.echoed is None and not self.is_empty:
            return None
        prompts = [EchoedPrompt("")] * self.prompts if self.echoed is None else self.echoed
        return Echo(prompts, self.choices_each, alone=self.is_empty)
