"""Values of text generation, neutral of OpenAI's shapes and of Triton's.

A `GenerationRequest` goes to `triton/generate.py`. Lists of `GenerationOutput` are handed to an `OutputSink` as they come:
one `Accepted`, then `Delta`s and one `End` a choice, the last of which carries the `Usage`. Values of which there is one a
token are named tuples, which are cheaper to make than frozen dataclasses.

Outputs are pushed by plain function calls, from the task that reads Triton's messages to the client's socket: waking a task
for each token would cost more than all other work on it. Code that watches or changes a stream is a sink that calls the
next:

    records ──> counted (dispatch/) ──> shifted (several prompts) ──> chunked (answers/) ──> events (web/sse.py)
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from typing_extensions import TypeAliasType

SamplingParams = TypeAliasType("SamplingParams", Mapping[str, Any])
"""Decoding options by OpenAI's and vLLM's own names, as they came in and were checked: `temperature`, `stop`, `seed`, …"""

Api = Literal["chat", "completions"]
"""vLLM's request classes, by the API that they are for."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Messages(NamedTuple):
    """A chat that the backend renders: as the contract has it, each of the `images` named once, in order."""

    messages: Sequence[Mapping[str, Any]]
    images: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to be continued.

    `request_id` is unique for ever (contract: `rid`). `prompt_token_ids` is the prompt after the chat template and the
    tokeniser, as int32 (a list would take nine times the memory, for as long as the answer takes); None where `unrendered`
    has it, for a model whose prompts only its backend can make. `api` picks the request class with which vLLM reads
    `sampling_params`. `lora` is the adapter to generate with.
    """

    request_id: str
    model: str
    api: Api
    prompt_token_ids: array[int] | None
    sampling_params: SamplingParams
    lora: str | None = None
    unrendered: Messages | str | None = None

    @property
    def most_tokens(self) -> int:
        """The most tokens that it can use. An answer without a limit counts as none, and so does a prompt that the backend
        makes: their sizes are not known yet."""
        params = self.sampling_params
        answer = params.get("max_completion_tokens") or params.get("max_tokens") or 0
        return len(self.prompt_token_ids or ()) + answer * (params.get("n") or 1)


class TokenLogprob(NamedTuple):
    """A token with its log-probability (None: there was nothing before it to guess it from), and the likeliest alternatives
    at its place (empty where none were asked for). `rank`: how many tokens are as likely or likelier, which is known of the
    prompt's."""

    token_id: int
    token: str
    logprob: float | None
    alternatives: tuple[tuple[int, str, float], ...]
    rank: int | None = None


class Usage(NamedTuple):
    """Token counts of one request, all its choices together. `reasoning_tokens` are among those of the completion; None
    where the model does not count them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int | None = None

    def __add__(self, other: object) -> Usage:
        """Counts of several prompts that make one request."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            other.reasoning_tokens
            if self.reasoning_tokens is None
            else self.reasoning_tokens + (other.reasoning_tokens or 0),
        )


NO_USAGE = Usage(0, 0, 0)


class Accepted(NamedTuple):
    """The engine has validated and queued the request."""

    prompt_tokens: int


class PromptLogprobs(NamedTuple):
    """The log-probabilities of the prompt's own tokens, None for the first. Comes once, before any delta; `choice` is the
    first of the choices that continue this prompt."""

    choice: int
    tokens: tuple[TokenLogprob | None, ...]


class Delta(NamedTuple):
    """New text of one choice. `text` may be empty: a token that completes no character yet. `token_ids` where asked for."""

    choice: int
    text: str
    token_count: int
    logprobs: tuple[TokenLogprob, ...] | None
    token_ids: tuple[int, ...] | None = None


class ToolCallDelta(NamedTuple):
    """New of one tool call, which has a number in its choice: `id` and `name` come first and are null from then on,
    `arguments` come piece by piece."""

    number: int
    id: str | None
    name: str | None
    arguments: str


class ParsedDelta(NamedTuple):
    """A `Delta` of a model whose parsers tell reasoning and tool calls from the answer, where there is any of them."""

    choice: int
    text: str
    token_count: int
    logprobs: tuple[TokenLogprob, ...] | None
    reasoning: str
    tool_calls: tuple[ToolCallDelta, ...]
    token_ids: tuple[int, ...] | None = None


class End(NamedTuple):
    """One choice is complete. `usage` comes with the last choice of the request and with no other."""

    choice: int
    finish_reason: FinishReason
    stop_reason: str | int | None
    usage: Usage | None


GenerationOutput = Accepted | PromptLogprobs | Delta | ParsedDelta | End

Backpressure = TypeAliasType("Backpressure", "asyncio.Future[None] | None")
"""The result of a sink: a future if it can take no more until that is done, else None."""


class OutputSink(Protocol):
    """Where outputs go as they come. Neither method waits; what they raise ends the generation.

    A layer that looks at every output alike implements `take_text` by `take`.
    """

    def take(self, outputs: list[GenerationOutput]) -> Backpressure:
        """Take what one message of Triton's brought, in order."""
        ...

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        """Take a `Delta` with nothing but text, which nearly all are: it need not be made (docs/performance.md)."""
        ...


class DroppingSink:
    """A sink that wants nothing of what comes: that it comes is enough."""

    __slots__ = ()

    def take(self, outputs: list[GenerationOutput]) -> None:
        """Drop them."""

    def take_text(self, choice: int, text: str, token_count: int) -> None:
        """Drop it."""


def usage_of(outputs: Sequence[GenerationOutput]) -> Usage | None:
    """The usage of the request, where these outputs are the last of it."""
    last = outputs[-1] if outputs else None
    return last.usage if isinstance(last, End) else None
