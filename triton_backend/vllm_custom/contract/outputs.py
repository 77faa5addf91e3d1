"""What an engine gives for one step of a request, as protocols.

The engine's own objects are read where they are: vLLM's RequestOutput has this shape, and so have the replay engine's
values. Nothing is converted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class TokenLogprob(Protocol):
    """One token's place in the distribution; vLLM calls it Logprob."""

    @property
    def logprob(self) -> float: ...
    @property
    def rank(self) -> int | None: ...
    @property
    def decoded_token(self) -> str | None: ...


class ChoiceOutput(Protocol):
    """New text of one choice; vLLM calls it CompletionOutput."""

    @property
    def index(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def token_ids(self) -> Sequence[int]: ...
    @property
    def logprobs(self) -> Sequence[Mapping[int, TokenLogprob]] | None: ...
    @property
    def cumulative_logprob(self) -> float | None: ...
    @property
    def finish_reason(self) -> str | None: ...
    @property
    def stop_reason(self) -> int | str | None: ...


class StepOutput(Protocol):
    """What one engine step brought for one request; vLLM calls it RequestOutput."""

    @property
    def outputs(self) -> Sequence[ChoiceOutput]: ...
    @property
    def finished(self) -> bool: ...
    @property
    def num_cached_tokens(self) -> int | None: ...
