"""Log probabilities as the contract writes them (pure): `[token_id, token, logprob, [[token_id, token, logprob], …]]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .outputs import TokenLogprob

# OpenAI's JSON has no infinities; vLLM's own server uses the same floor.
LOWEST_LOGPROB = -9999.0


def logprobs(
    token_ids: Sequence[int], positions: Sequence[Mapping[int, TokenLogprob]], alternatives: int
) -> list[list[Any]]:
    """One element a token, with the `alternatives` most likely tokens in its place (-1: all that the engine gives)."""
    return [
        _position(token_id, position, alternatives) for token_id, position in zip(token_ids, positions, strict=False)
    ]


def prompt_logprobs(output: Any, alternatives: int) -> list[list[Any] | None] | None:
    """As `logprobs`, for the tokens of the prompt, each with its rank at the end; the first is None. None as long as the
    engine has not given any."""
    ids: Sequence[int] | None = output.prompt_token_ids
    positions: Sequence[Mapping[int, TokenLogprob] | None] | None = output.prompt_logprobs
    if ids is None or positions is None:
        return None
    return [
        None if position is None else [*_position(token_id, position, alternatives), _rank(position.get(token_id))]
        for token_id, position in zip(ids, positions, strict=False)
    ]


def not_below_floor(logprob: float) -> float:
    """The log probability, or the lowest that JSON can carry. The comparison is written so that NaN fails it."""
    return logprob if logprob >= LOWEST_LOGPROB else LOWEST_LOGPROB


def _position(token_id: int, position: Mapping[int, TokenLogprob], alternatives: int) -> list[Any]:
    return [*_entry(token_id, position.get(token_id)), _most_likely(position, alternatives)]


def _entry(token_id: int, found: TokenLogprob | None) -> list[Any]:
    if found is None:
        return [token_id, "", LOWEST_LOGPROB]
    # As `not_below_floor`, but without a call: this runs for every alternative of every token.
    value = found.logprob if found.logprob >= LOWEST_LOGPROB else LOWEST_LOGPROB
    return [token_id, found.decoded_token or "", value]


def _rank(found: TokenLogprob | None) -> int | None:
    return None if found is None else found.rank


def _most_likely(position: Mapping[int, TokenLogprob], count: int) -> list[list[Any]]:
    # The sampled token is in the mapping too, whatever its rank: it counts only where its rank puts it.
    ranked = [(token.rank or 0, token_id, token) for token_id, token in position.items()]
    ranked.sort(key=lambda entry: entry[0])
    return [_entry(token_id, token) for rank, token_id, token in ranked if count < 0 or rank <= count]
