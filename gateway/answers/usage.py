"""OpenAI's `usage`, at the end of an answer and on the way."""

from __future__ import annotations

from gateway.generation import Accepted, Delta, GenerationOutput, ParsedDelta, Usage
from gateway.wire.answers import CompletionTokensDetails, CompletionUsage, PromptTokensDetails


def wire_usage(usage: Usage) -> CompletionUsage:
    """The counts at the end."""
    reasoning = usage.reasoning_tokens
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
        completion_tokens_details=None if reasoning is None else CompletionTokensDetails(reasoning_tokens=reasoning),
    )


class RunningUsage:
    """The counts so far, which are known without their details."""

    def __init__(self) -> None:
        self._prompt_tokens = 0
        self._completion_tokens = 0

    def after(self, output: GenerationOutput) -> CompletionUsage:
        """The counts when this has come too."""
        if isinstance(output, Accepted):
            self._prompt_tokens += output.prompt_tokens
        elif isinstance(output, Delta | ParsedDelta):
            self._completion_tokens += output.token_count
        return self.so_far

    @property
    def so_far(self) -> CompletionUsage:
        """The counts of what has come."""
        return CompletionUsage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            total_tokens=self._prompt_tokens + self._completion_tokens,
            prompt_tokens_details=None,
            completion_tokens_details=None,
        )
