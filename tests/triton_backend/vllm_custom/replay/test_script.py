"""What the replay engine says, and where it stops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.errors import Internal, Overloaded
from vllm_custom.replay.script import Entry, Token, cut, scripted_error

pieces = st.lists(st.text("ab ", max_size=3), max_size=10)


def line(parts, *, limit=100, stops=(), keep_stop=False):
    tokens = [Token(number, text) for number, text in enumerate(parts)]
    return cut(tokens, "stop", limit=limit, stops=stops, keep_stop=keep_stop)


def kept(cut_line):
    return "".join(token.text for token in cut_line.tokens)


@given(pieces, st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3), st.integers(1, 12), st.booleans())
def test_limits_hold_for_any_text(parts, stops, limit, keep_stop):
    """Never more tokens than the limit, never a stop string in the text unless it is kept at its end, always a prefix."""
    result = line(parts, limit=limit, stops=stops, keep_stop=keep_stop)
    text = "".join(parts)
    assert len(result.tokens) <= limit
    assert text.startswith(kept(result))
    if result.stop_reason is None:
        assert result.finish_reason in ("stop", "length")
        assert (result.finish_reason == "length") == (len(parts) > limit)
    else:
        assert kept(result).endswith(result.stop_reason) if keep_stop else True
        inner = kept(result)[: -len(result.stop_reason)] if keep_stop else kept(result)
        assert not any(stop in inner for stop in stops)


def test_earliest_stop_string_wins():
    """Of several stop strings the one that comes first in the text ends it."""
    result = line(["one ", "two ", "three"], stops=["three", "two"])
    assert (kept(result), result.stop_reason, len(result.tokens)) == ("one ", "two", 2)


def test_text_that_fits_exactly_is_not_cut():
    """As many tokens as the limit allows is a whole answer."""
    assert line(["a", "b"], limit=2).finish_reason == "stop"


def test_choices_and_seeds_go_round():
    """More choices than texts begin again at the first."""
    entry = Entry(text=["a", "b"])
    assert [entry.text_of(choice, 1) for choice in range(3)] == ["b", "a", "b"]


def test_scripted_errors_have_the_type_asked_for():
    """A type that does not exist is an internal error."""
    assert isinstance(scripted_error({"type": "overloaded"}), Overloaded)
    assert isinstance(scripted_error({"type": "frob"}), Internal)
