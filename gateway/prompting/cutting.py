"""Texts and token ids to the inputs of a pooling model: with or without special tokens, and cut where that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import BadRequest
from gateway.pooling import Tokenizing
from gateway.prompting.inputs import token_ids
from gateway.prompting.tokenizer import Tokenizer


async def pooling_ids(
    tokenizer: Tokenizer,
    inputs: Sequence[str] | Sequence[list[int]],
    how: Tokenizing,
    *,
    longest: int,
    param: str,
    may_be_empty: bool = False,
) -> list[list[int]]:
    """The ids of every input, for a model that takes `longest` tokens (0: unknown). Raises BadRequest, also for a text
    without tokens unless it `may_be_empty`."""
    keep = _kept(how.keep, longest)
    ids = await token_ids(
        tokenizer, inputs, param=param, add_special_tokens=how.special_tokens, may_be_empty=may_be_empty
    )
    if keep is None:
        return ids
    long = [row for row, tokens in enumerate(ids) if len(tokens) > keep]
    texts = [text for text in map(inputs.__getitem__, long) if isinstance(text, str)]
    if texts and how.side is None and how.special_tokens:
        bare = await tokenizer.encode(texts, add_special_tokens=False)
        for row, text_ids in zip(long, bare, strict=True):
            ids[row] = _cut_inside(ids[row], text_ids, keep)
    for row in long:
        ids[row] = ids[row][-keep:] if how.side == "left" else ids[row][:keep]
    return ids


def _kept(keep: int | None, longest: int) -> int | None:
    """The most tokens of an input; None for all. Raises BadRequest."""
    if keep == -1:
        return longest or None
    if keep is not None and (keep == 0 or keep > (longest or keep)):
        most = f"from 1 to {longest}, the longest input of this model" if longest else "1 or more"
        raise BadRequest(
            f"'truncate_prompt_tokens' must be -1 or {most}.", param="truncate_prompt_tokens", code="invalid_value"
        )
    return keep


def _cut_inside(whole: list[int], text: list[int], keep: int) -> list[int]:
    """`whole` is `text` with special tokens around it, which stay; as it is where that can't be seen, or they alone are too
    many."""
    around = len(whole) - len(text)
    before = next((n for n in range(around + 1) if whole[n : n + len(text)] == text), None)
    if before is None or around >= keep:
        return whole
    return whole[:before] + text[: keep - around] + whole[before + len(text) :]
