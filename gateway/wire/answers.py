"""What the answers of chat and completions have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from gateway.wire.common import Wire


def is_none(value: object) -> bool:
    """For `exclude_if`: members that OpenAI does not have are left out where there is nothing to tell."""
    return value is None


class PromptTokensDetails(Wire):
    cached_tokens: int


class CompletionTokensDetails(Wire):
    reasoning_tokens: int


class CompletionUsage(Wire):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | None = Field(
        None, exclude_if=is_none, description="Only in the final counts; the counts during a stream have no details."
    )
    completion_tokens_details: CompletionTokensDetails | None = Field(
        None, exclude_if=is_none, description="For models with a reasoning parser."
    )


class PromptLogprob(Wire):
    """vLLM's: a token that may stand at a place of the prompt. `rank` counts from 1."""

    logprob: float
    rank: int | None
    decoded_token: str


PromptLogprobs = list[dict[str, PromptLogprob] | None]
"""For each token of the prompt, by token id; null for the first, before which there is nothing."""


class AnswerChoice(Wire):
    """One of the alternatives, whole."""

    index: int
    finish_reason: str
    stop_reason: str | int | None = Field(
        None, description="vLLM's: the stop string or token id that ended the choice."
    )
    token_ids: list[int] | None = Field(
        None, exclude_if=is_none, description="vLLM's, with `return_token_ids`: the tokens of the answer."
    )


ChoiceT = TypeVar("ChoiceT", bound=AnswerChoice)


class Answer(Wire, Generic[ChoiceT]):
    """A whole answer."""

    id: str
    created: int
    model: str
    choices: list[ChoiceT]
    usage: CompletionUsage


class ChunkChoice(Wire):
    """A piece of one of the alternatives."""

    index: int
    finish_reason: str | None = Field(description="Null in all chunks of the choice except the last.")
    stop_reason: str | int | None = Field(None, exclude_if=is_none)
    token_ids: list[int] | None = Field(None, exclude_if=is_none)


ChunkChoiceT = TypeVar("ChunkChoiceT", bound=ChunkChoice)


class Chunk(Wire, Generic[ChunkChoiceT]):
    """One event of a stream."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoiceT] = Field(description="Empty in the last chunk if the request asked for the usage.")
    usage: CompletionUsage | None = Field(None, description="Only with `stream_options.include_usage`.")
