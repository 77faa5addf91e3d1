"""The replay engine's tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.generate import Generate
from vllm_custom.errors import BadRequest
from vllm_custom.replay.tokens import Tokenizer

from tests.fakes.tokenizer import toy_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    toy_tokenizer().save(str(path))
    return Tokenizer(path)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_tokens_together_are_the_text(tokenizer, text):
    """Each carries whole characters, also where a character is several tokens."""
    tokens = tokenizer.tokens(text)
    assert "".join(token.text for token in tokens) == text
    assert len(tokens) == len(text.encode())


def test_characters_come_with_their_last_token(tokenizer):
    """No token ends inside a character."""
    assert [token.text for token in tokenizer.tokens("né")] == ["n", "", "é"]


def test_prompt_has_text_and_ids(tokenizer):
    """Whichever of the two it came as."""
    text, ids = tokenizer.prompt(Generate("r", "chat", {}, "abc", None))
    assert (text, len(ids)) == ("abc", 3)
    assert tokenizer.prompt(Generate("r", "chat", {}, None, ids)) == ("abc", ids)


def test_id_that_no_token_has_is_refused(tokenizer):
    """With its number."""
    with pytest.raises(BadRequest, match=str(tokenizer.vocab_size)):
        tokenizer.prompt(Generate("r", "chat", {}, None, [0, tokenizer.vocab_size]))


def test_id_has_a_name(tokenizer):
    """For the alternatives of a log probability."""
    (token,) = tokenizer.tokens("q")
    assert tokenizer.name(token.id) == "q"
