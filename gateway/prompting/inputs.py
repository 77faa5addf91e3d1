"""Tokenises inputs that a client sends as texts, and checks those that it sends as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gateway.errors import BadRequest
from gateway.prompting.tokenizer import Tokenizer


async def token_ids(
    tokenizer: Tokenizer,
    inputs: Sequence[str] | Sequence[list[int]],
    *,
    param: str,
    add_special_tokens: bool = True,
    may_be_empty: bool = False,
) -> list[list[int]]:
    """The ids of every input. Raises BadRequest (naming `param`) on an empty one, unless it `may_be_empty`, and on
    ids that the model hasn't."""
    if isinstance(inputs[0], str):
        ids = await tokenizer.encode(cast("Sequence[str]", inputs), add_special_tokens=add_special_tokens)
    else:
        ids = cast("list[list[int]]", list(inputs))
        if max(map(max, ids)) >= tokenizer.vocabulary_size:
            raise BadRequest(
                f"Token ids must be below {tokenizer.vocabulary_size}, the size of this model's vocabulary."
                " Were they made by another model's tokeniser?",
                param=param,
                code="invalid_value",
            )
    for tokens in ids:
        if not tokens and not may_be_empty:
            raise BadRequest(f"'{param}' must not be empty.", param=param, code="invalid_value")
    return ids
