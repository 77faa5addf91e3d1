"""How many tokens of an answer are reasoning, also where the thought was opened in the prompt."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import versions

if TYPE_CHECKING:
    from vllm.parser import Parser


def reasoning_tokens(parser: Parser, token_ids: Sequence[int], *, reasoned: bool, ended_itself: bool) -> int | None:
    """None without a reasoning parser. vLLM does not look at the prompt: it counts from the token that opens a thought, or
    as if one were open. Where an answer has reasoning (`reasoned`) and no such token, it begins within the thought, and
    everything before the token that closes it counts. `ended_itself`: the last token ended the answer and is no part of
    it."""
    counted = versions.reasoning_tokens(parser, token_ids)
    if counted is None or not reasoned:
        return None if counted is None else 0
    if counted:
        return counted
    ids = list(token_ids)
    # Of the first tokens: False up to the one that closes the thought, then True.
    closing = bisect_left(
        range(1, len(ids) + 1), True, key=lambda count: versions.is_reasoning_end(parser, ids[:count])
    )
    return closing if closing < len(ids) else len(ids) - ended_itself
