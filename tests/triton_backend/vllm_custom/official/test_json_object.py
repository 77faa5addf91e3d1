"""JSON objects that come as text."""

from __future__ import annotations

import pytest
from vllm_custom.errors import BadRequest
from vllm_custom.official.json_object import read_object


def test_object_is_read():
    """From text or bytes."""
    assert read_object('{"a": 1}', "x") == read_object(b'{"a": 1}', "x") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "x is not JSON"),
        ("{", "x is not JSON"),
        ("[" * 100_000, "x is not JSON"),
        ("[1]", "x must be a JSON object"),
    ],
)
def test_anything_else_is_refused_by_name(text, complaint):
    """Also what is nested too deep to be read."""
    with pytest.raises(BadRequest, match=complaint) as refused:
        read_object(text, "x")
    assert refused.value.param == "x"


def test_refusal_says_what_is_expected():
    """Where an object may be written in more ways than one."""
    with pytest.raises(BadRequest, match="x must be an object, or one as text"):
        read_object("1", "x", "an object, or one as text")
