"""Log-probabilities as completions have them: parallel lists."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apis.completions.schema import CompletionLogprobs
from gateway.generation import TokenLogprob


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int) -> CompletionLogprobs:
    """`choice.logprobs` of completions. `offset` is where the first token starts in the text of the choice."""
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return CompletionLogprobs(
        tokens=[token.token for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[_top(token) for token in tokens],
        text_offset=offsets,
    )


def _top(token: TokenLogprob) -> dict[str, float] | None:
    """The token itself and the likeliest, by their texts: as OpenAI says, possibly one more than was asked for."""
    if token.logprob is None:
        return None
    return {token.token: token.logprob} | {text: logprob for _, text, logprob in token.alternatives}
