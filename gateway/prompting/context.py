"""Fits prompts into the context of a model: cuts them, and limits the answer."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Literal

from gateway.errors import BadRequest, ContextLengthExceeded


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


def truncated(
    token_ids: MutableSequence[int], keep: int | None, side: Literal["left", "right"] | None, *, context_length: int
) -> MutableSequence[int]:
    """At most `keep` tokens of a prompt, cut at the `side` (left by default). -1 keeps as many as leave room for one token
    of answer. Raises BadRequest if `keep` is 0 or more than the model's context."""
    if keep is None:
        return token_ids
    if keep == 0 or keep > context_length:
        raise BadRequest(
            f"'truncate_prompt_tokens' must be -1 or from 1 to {context_length}, the context length of this model.",
            param="truncate_prompt_tokens",
            code="invalid_value",
        )
    most = context_length - 1 if keep == -1 else keep
    return token_ids[:most] if side == "right" else token_ids[-most:]
