"""Texts or token ids to token ids."""

from __future__ import annotations

import pytest

from gateway.errors import BadRequest
from gateway.prompting.inputs import token_ids
from gateway.prompting.tokenizer import Tokenizer
from tests.fakes.tokenizer import toy_tokenizer

pytestmark = pytest.mark.anyio

TOKENIZER = Tokenizer(toy_tokenizer().to_str().encode())


async def test_texts_are_encoded_and_ids_kept() -> None:
    """Each input by itself, in order."""
    assert [len(ids) for ids in await token_ids(TOKENIZER, ["ab", "c"], param="input")] == [2, 1]
    assert await token_ids(TOKENIZER, [[257, 0], [5]], param="input") == [[257, 0], [5]]


async def test_foreign_ids_are_refused() -> None:
    """Ids of another tokeniser would read beyond the model's table."""
    with pytest.raises(BadRequest, match="below 258") as caught:
        await token_ids(TOKENIZER, [[5], [258]], param="prompt")
    assert caught.value.param == "prompt"


async def test_input_without_tokens_is_refused() -> None:
    """Nothing to work on."""
    with pytest.raises(BadRequest, match="must not be empty"):
        await token_ids(TOKENIZER, ["a", ""], param="input")
