"""Log-probabilities of prompts in vLLM's shape, and the names of tokens in those of answers."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.generation import TokenLogprob
from gateway.wire.answers import PromptLogprob, PromptLogprobs


def named(tokens: Sequence[TokenLogprob], *, by_id: bool) -> Sequence[TokenLogprob]:
    """The same, each token called `token_id:…` where its id was asked for in place of its text."""
    if not by_id:
        return tokens
    return [
        token._replace(
            token=_id_name(token.token_id),
            alternatives=tuple((id_, _id_name(id_), logprob) for id_, _, logprob in token.alternatives),
        )
        for token in tokens
    ]


def _id_name(token_id: int) -> str:
    return f"token_id:{token_id}"


def prompt_logprobs(tokens: Sequence[TokenLogprob | None]) -> PromptLogprobs:
    """vLLM's `prompt_logprobs`: by token id, the token itself first."""
    return [None if token is None or token.logprob is None else _candidates(token, token.logprob) for token in tokens]


def _candidates(token: TokenLogprob, logprob: float) -> dict[str, PromptLogprob]:
    ranked = {
        str(id_): PromptLogprob(logprob=value, rank=rank, decoded_token=text)
        for rank, (id_, text, value) in enumerate(token.alternatives, start=1)
    }
    itself = PromptLogprob(logprob=logprob, rank=None, decoded_token=token.token)
    return {str(token.token_id): itself} | ranked
