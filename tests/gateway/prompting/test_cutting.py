"""Inputs of pooling models: which tokens are left of a long one."""

from __future__ import annotations

from typing import Literal

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from gateway.errors import BadRequest
from gateway.pooling import Tokenizing
from gateway.prompting.cutting import pooling_ids
from gateway.prompting.tokenizer import Tokenizer

pytestmark = pytest.mark.anyio

WORDS = {"[CLS]": 0, "[SEP]": 1, "a": 2, "b": 3, "c": 4, "d": 5}


def bert() -> Tokenizer:
    """A tokeniser with a special token at either end."""
    tokenizer = tokenizers.Tokenizer(models.WordLevel(WORDS, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return Tokenizer(tokenizer.to_str().encode())


BERT = bert()
TEXTS = ["a b c d", "d"]


async def cut(
    keep: int | None,
    side: Literal["left", "right"] | None = None,
    *,
    special: bool = True,
    longest: int = 0,
) -> list[list[int]]:
    return await pooling_ids(BERT, TEXTS, Tokenizing(keep, side, special), longest=longest, param="input")


@pytest.mark.parametrize(
    ("keep", "side", "special", "expected"),
    [
        (None, None, True, [0, 2, 3, 4, 5, 1]),
        (None, None, False, [2, 3, 4, 5]),
        (6, None, True, [0, 2, 3, 4, 5, 1]),
        (4, None, True, [0, 2, 3, 1]),
        (4, "right", True, [0, 2, 3, 4]),
        (4, "left", True, [3, 4, 5, 1]),
        (2, None, False, [2, 3]),
        (2, "left", False, [4, 5]),
        (1, None, True, [0]),
        (-1, None, True, [0, 2, 3, 4, 5, 1]),
    ],
)
async def test_long_text_is_cut(
    keep: int | None, side: Literal["left", "right"] | None, special: bool, expected: list[int]
) -> None:
    """As transformers does it: around its special tokens, unless a side is named."""
    long, _ = await cut(keep, side, special=special)
    assert long == expected


async def test_minus_one_is_what_the_model_takes() -> None:
    """And shorter inputs stay."""
    assert await cut(-1, longest=5) == [[0, 2, 3, 4, 1], [0, 5, 1]]


async def test_token_ids_are_cut_at_their_end() -> None:
    """Nobody knows which of them are special."""
    ids = await pooling_ids(BERT, [[0, 2, 3, 1], [2]], Tokenizing(3), longest=0, param="input")
    assert ids == [[0, 2, 3], [2]]


@pytest.mark.parametrize(("keep", "longest"), [(0, 0), (0, 5), (6, 5)])
async def test_number_that_cannot_be_kept_is_refused(keep: int, longest: int) -> None:
    """By name."""
    with pytest.raises(BadRequest) as caught:
        await cut(keep, longest=longest)
    assert caught.value.param == "truncate_prompt_tokens"


async def test_text_without_tokens_is_refused_where_it_must_not_be_empty() -> None:
    """A moderator may be asked about nothing."""
    empty = Tokenizing(special_tokens=False)
    assert await pooling_ids(BERT, [" "], empty, longest=0, param="input", may_be_empty=True) == [[]]
    with pytest.raises(BadRequest):
        await pooling_ids(BERT, [" "], empty, longest=0, param="input")
