"""Log-probabilities as completions have them: parallel lists."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.answers.logprobs import BY_TEXT, TokenNames
from gateway.apis.completions.schema import CompletionLogprobs
from gateway.generation import TokenLogprob


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int, names: TokenNames = BY_TEXT) -> CompletionLogprobs:
    """`choice.logprobs` of completions. `offset` is where the first token starts in the text of the choice."""
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return CompletionLogprobs(
        tokens=[names.name(token.token_id, token.token) for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[_top(token, names) for token in tokens],
        text_offset=offsets,
    )


def _top(token: TokenLogprob, names: TokenNames) -> dict[str, float] | None:
    """The token itself and the likeliest, by their names: as OpenAI says, possibly one more than was asked for."""
    return None if token.logprob is None else names.top(token)
