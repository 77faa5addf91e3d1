"""Log-probabilities that chat and completions tell alike."""

from __future__ import annotations

from gateway.answers.logprobs import named, prompt_logprobs
from gateway.generation import TokenLogprob

TOKEN = TokenLogprob(5, "é", -0.5, ((5, "é", -0.5), (6, "e", -1.5)))
FIRST = TokenLogprob(4, "a", None, ())


def test_tokens_keep_their_texts() -> None:
    """Unless ids were asked for nothing is copied."""
    tokens = (FIRST, TOKEN)
    assert named(tokens, by_id=False) is tokens


def test_tokens_may_be_named_by_id() -> None:
    """The alternatives too; the ids themselves and the numbers stay."""
    first, token = named((FIRST, TOKEN), by_id=True)
    assert first == TokenLogprob(4, "token_id:4", None, ())
    assert token == TokenLogprob(5, "token_id:5", -0.5, ((5, "token_id:5", -0.5), (6, "token_id:6", -1.5)))


def test_prompt_tokens_are_told_by_id() -> None:
    """Null where there was nothing to guess from; the token itself first, which has a rank where it is of the likeliest."""
    rare = TokenLogprob(9, "z", -7.0, ((6, "e", -0.1),))
    nothing, none_either, itself, beside = prompt_logprobs([None, FIRST, TOKEN, rare])
    assert nothing is none_either is None
    assert itself is not None
    assert beside is not None
    assert {name: (each.rank, each.decoded_token, each.logprob) for name, each in itself.items()} == {
        "5": (1, "é", -0.5),
        "6": (2, "e", -1.5),
    }
    assert list(beside) == ["9", "6"]
    assert (beside["9"].rank, beside["6"].rank) == (None, 1)
