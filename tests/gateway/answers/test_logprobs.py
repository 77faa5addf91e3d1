"""Log-probabilities that chat and completions tell alike."""

from __future__ import annotations

import pytest

from gateway.answers.logprobs import TokenNames, prompt_logprobs
from gateway.generation import TokenLogprob

TOKEN = TokenLogprob(5, "é", -0.5, ((5, "é", -0.5), (6, "e", -1.5)))
FIRST = TokenLogprob(4, "a", None, ())


def part_of_wave(token_id: int) -> bytes | None:
    return {7: b"\xf0\x9f", 8: b"\x91\x8b"}.get(token_id)


@pytest.mark.parametrize(("by_id", "name"), [(False, "é"), (True, "token_id:5")])
def test_bytes_are_the_tokens_own(by_id: bool, name: str) -> None:
    """Whatever it is called; those of a part of a character, which its text can't show, too."""
    names = TokenNames(by_id, part_of_wave)
    assert (names.name(5, "é"), names.bytes(5, "é")) == (name, [0xC3, 0xA9])
    assert bytes(names.bytes(7, "") + names.bytes(8, "👋")).decode() == "👋"
    assert TokenNames().bytes(7, "") == []


def test_no_alternative_is_lost_to_an_equal_text() -> None:
    """The first of them keeps the text, and the token itself is there once."""
    token = TokenLogprob(7, "", -0.5, ((8, "", -0.25), (7, "", -0.5), (9, "", -2.0), (5, "é", -3.0)))
    assert TokenNames().top(token) == {"": -0.5, "token_id:8": -0.25, "token_id:9": -2.0, "é": -3.0}
    assert list(TokenNames(by_id=True).top(token)) == ["token_id:7", "token_id:8", "token_id:9", "token_id:5"]


def test_prompt_tokens_are_told_by_id() -> None:
    """Null where there was nothing to guess from; the token itself first, with its rank."""
    rare = TokenLogprob(9, "z", -7.0, ((6, "e", -0.1),), 40)
    nothing, none_either, itself, beside = prompt_logprobs([None, FIRST, TOKEN, rare])
    assert nothing is none_either is None
    assert itself is not None
    assert beside is not None
    assert {name: (each.rank, each.decoded_token, each.logprob) for name, each in itself.items()} == {
        "5": (1, "é", -0.5),
        "6": (2, "e", -1.5),
    }
    assert list(beside) == ["9", "6"]
    assert (beside["9"].rank, beside["6"].rank) == (40, 1)
