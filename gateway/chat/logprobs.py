"""Log-probabilities in the two shapes of OpenAI: an object a token for chat, parallel lists for completions."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.generation import TokenLogprob
from gateway.schemas.chat import ChatLogprobs, ChatTokenLogprob, TopLogprob
from gateway.schemas.completions import CompletionLogprobs


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """`choice.logprobs` of chat. `bytes` are the UTF-8 bytes of the token's text."""
    return ChatLogprobs(content=[_chat_token(token) for token in tokens])


def _chat_token(token: TokenLogprob) -> ChatTokenLogprob:
    return ChatTokenLogprob(
        token=token.token,
        logprob=token.logprob,
        bytes=list(token.token.encode()),
        top_logprobs=[
            TopLogprob(token=text, logprob=logprob, bytes=list(text.encode()))
            for _, text, logprob in token.alternatives
        ],
    )


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int) -> CompletionLogprobs:
    """`choice.logprobs` of completions. `offset` is where the first token starts in the text of the choice."""
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return CompletionLogprobs(
        tokens=[token.token for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[{text: logprob for _, text, logprob in token.alternatives} for token in tokens],
        text_offset=offsets,
    )
