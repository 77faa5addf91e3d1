"""Prompts against the context of a model: what fits, and how long the answer may be."""

from __future__ import annotations

from gateway.errors import ContextLengthExceeded


def completion_limit(*, context_length: int, prompt_tokens: int, asked: int | None, param: str) -> int | None:
    """The most tokens the answer may have: what was asked for, but no more than the context leaves.

    None when nothing was asked for: the engine then applies the model's own default. Raises ContextLengthExceeded (naming
    `param`) when the prompt leaves no room for a token, or when more was asked for than the model could ever give.
    """
    room = context_length - prompt_tokens
    if room < 1 or (asked is not None and asked > context_length):
        raise ContextLengthExceeded(
            context_length=context_length, prompt_tokens=prompt_tokens, max_tokens=asked, param=param
        )
    return None if asked is None else min(asked, room)
