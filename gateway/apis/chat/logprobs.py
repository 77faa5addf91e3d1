"""Log-probabilities as chat has them: an object a token."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.answers.logprobs import BY_TEXT, TokenNames
from gateway.apis.chat.schema import ChatLogprobs, ChatTokenLogprob, TopLogprob
from gateway.generation import TokenLogprob


def chat_logprobs(tokens: Sequence[TokenLogprob], names: TokenNames = BY_TEXT) -> ChatLogprobs:
    """`choice.logprobs` of chat."""
    return ChatLogprobs(content=[_chat_token(token, names) for token in tokens])


def _chat_token(token: TokenLogprob, names: TokenNames) -> ChatTokenLogprob:
    return ChatTokenLogprob(
        token=names.name(token.token_id, token.token),
        logprob=token.logprob or 0.0,  # there always is something before it
        bytes=names.bytes(token.token_id, token.token),
        top_logprobs=[
            TopLogprob(token=names.name(id_, text), logprob=logprob, bytes=names.bytes(id_, text))
            for id_, text, logprob in token.alternatives
        ],
    )
