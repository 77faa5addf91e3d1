"""Log-probabilities in OpenAI's shapes, an object a token for chat and parallel lists for completions, and in vLLM's for
prompts."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apis.chat.schema import ChatLogprobs, ChatTokenLogprob, TopLogprob
from gateway.apis.completions.schema import CompletionLogprobs
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
