"""Log-probabilities as completions have them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.logprobs import TokenNames
from gateway.apis.completions.logprobs import completion_logprobs
from gateway.generation import TokenLogprob


def test_lists_are_parallel() -> None:
    """The sampled token is among the top ones; the first of a prompt has nothing before it."""
    first = TokenLogprob(4, "a", None, ())
    second = TokenLogprob(5, "bc", -0.5, ((6, "x", -0.25), (5, "bc", -0.5)))
    told = completion_logprobs([first, second, TokenLogprob(7, "", -1.0, ())], 10)
    assert told.model_dump() == {
        "tokens": ["a", "bc", ""],
        "token_logprobs": [None, -0.5, -1.0],
        "top_logprobs": [None, {"bc": -0.5, "x": -0.25}, {"": -1.0}],
        "text_offset": [10, 11, 13],
    }


def test_offsets_are_those_of_the_text_whatever_tokens_are_called() -> None:
    """Names by id are no part of it."""
    tokens = [TokenLogprob(4, "ab", -1.0, ()), TokenLogprob(5, "c", -1.0, ())]
    told = completion_logprobs(tokens, 0, TokenNames(by_id=True))
    assert (told.tokens, told.text_offset) == (["token_id:4", "token_id:5"], [0, 2])


@given(st.lists(st.text(max_size=5)), st.integers(0, 100))
def test_offsets_point_into_the_text(texts: list[str], start: int) -> None:
    """Each to where its token begins, in characters."""
    told = completion_logprobs([TokenLogprob(0, text, -1.0, ()) for text in texts], start)
    whole = "." * start + "".join(texts)
    assert all(whole[at:].startswith(text) for at, text in zip(told.text_offset, texts, strict=True))
