"""Log-probabilities as chat has them: an object a token."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apis.chat.schema import ChatLogprobs, ChatTokenLogprob, TopLogprob
from gateway.generation import TokenLogprob


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """`choice.logprobs` of chat. `bytes` are the UTF-8 bytes of the token's text."""
    return ChatLogprobs(content=[_chat_token(token) for token in tokens])


def _chat_token(token: TokenLogprob) -> ChatTokenLogprob:
    return ChatTokenLogprob(
        token=token.token,
        logprob=token.logprob or 0.0,  # there always is something before it
        bytes=list(token.token.encode()),
        top_logprobs=[
            TopLogprob(token=text, logprob=logprob, bytes=list(text.encode()))
            for _, text, logprob in token.alternatives
        ],
    )
