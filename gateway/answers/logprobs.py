"""Log-probabilities of prompts in vLLM's shape, and the names of tokens in those of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.generation import TokenLogprob
from gateway.wire.answers import PromptLogprob, PromptLogprobs


def _no_part(_: int) -> bytes | None:
    return None


class TokenNames(NamedTuple):
    """How log-probabilities name tokens: by id (`token_id:…`) where that was asked for. `part` gives the bytes of a token
    that is no whole character, whose text can't show them."""

    by_id: bool = False
    part: Callable[[int], bytes | None] = _no_part

    def name(self, token_id: int, text: str) -> str:
        """What the token is called."""
        return _id_name(token_id) if self.by_id else text

    def bytes(self, token_id: int, text: str) -> list[int]:
        """The bytes of the token itself, whatever it is called."""
        part = self.part(token_id)
        return list(text.encode() if part is None else part)

    def top(self, token: TokenLogprob) -> dict[str, float]:
        """The token and the likeliest at its place, by their names. Of several with one name, as all parts of characters are
        that have no text, those behind the first are called by their ids."""
        top: dict[str, float] = {}
        ids: set[int] = set()
        for token_id, text, logprob in ((token.token_id, token.token, token.logprob), *token.alternatives):
            if logprob is not None and token_id not in ids:
                ids.add(token_id)
                name = self.name(token_id, text)
                top[_id_name(token_id) if name in top else name] = logprob
        return top


BY_TEXT: Final = TokenNames()


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
    itself = PromptLogprob(logprob=logprob, rank=token.rank, decoded_token=token.token)
    return {str(token.token_id): itself} | ranked
