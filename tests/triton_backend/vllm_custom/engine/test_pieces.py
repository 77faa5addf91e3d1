"""The text of an answer, token by token."""

from __future__ import annotations

import pytest
from vllm_custom.engine.pieces import pieces


class Bytes:
    """A tokenizer with a token for each byte, which counts what it decodes."""

    def __init__(self):
        self.decoded = 0

    def decode(self, token_ids, *, skip_special_tokens):
        self.decoded += len(token_ids)
        return bytes(token_ids).decode("utf-8", "replace")


@pytest.mark.parametrize("text", ["plain", "É🎉", "a🎉b", "", "👩‍👩‍👧"])
def test_character_comes_with_its_last_token(text):
    """The others have an empty piece, and all together are the text."""
    ids = list(text.encode())
    made = list(pieces(Bytes(), ids, text, skip_special_tokens=False))
    assert len(made) == len(ids)
    assert "".join(made) == text
    assert [piece for piece in made if piece] == list(text)


def test_text_may_end_before_its_tokens():
    """At a stop string."""
    assert "".join(pieces(Bytes(), list(b"one two"), "one", skip_special_tokens=False)) == "one"


def test_work_is_linear():
    """No token is decoded again and again."""
    tokenizer = Bytes()
    text = "word " * 1000
    list(pieces(tokenizer, list(text.encode()), text, skip_special_tokens=False))
    assert tokenizer.decoded < 5 * len(text)
