"""OpenAI's ways with HTTP: where the key is, how an error and a limit are told, how a stream is framed."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gateway.errors import BadRequest, Overloaded, Unauthorized
from gateway.limits.quota import LimitState
from gateway.web.openai_dialect import OPENAI, envelope


def headers(*authorization: str) -> Headers:
    return Headers(raw=[(b"authorization", value.encode("latin-1")) for value in authorization])


@pytest.mark.parametrize(
    ("authorization", "key"),
    [("Bearer sk-1", "sk-1"), ("bearer sk-1", "sk-1"), ("BEARER \t sk-1 ", "sk-1"), ("Bearer sk 1", "sk 1")],
)
def test_key_stands_behind_the_scheme(authorization: str, key: str) -> None:
    """In any case, without the blanks around it."""
    assert OPENAI.key_of(headers(authorization)) == key


@pytest.mark.parametrize(
    "authorization", [(), ("",), ("Bearer",), ("Bearer  ",), ("sk-1",), ("Basic sk-1",), ("Bearer a", "Bearer a")]
)
def test_missing_key_is_unauthorized(authorization: tuple[str, ...]) -> None:
    """Nor can anybody tell which of two headers counts; the answer says how to send it."""
    with pytest.raises(Unauthorized, match="You didn't provide an API key"):
        OPENAI.key_of(headers(*authorization))
    assert OPENAI.challenge == {"www-authenticate": "Bearer"}


def test_error_has_all_members() -> None:
    """Null where there is nothing to tell."""
    error = BadRequest("é is wrong", param="n", code="invalid_value")
    expected = {"message": "é is wrong", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
    assert orjson.loads(OPENAI.error_body(error)) == envelope(error) == {"error": expected}
    assert envelope(Overloaded("full"))["error"]["param"] is None


def test_limits_have_three_headers_each() -> None:
    """The time as Go writes it; none where nothing is limited."""
    limits = [LimitState("requests", 60, 59, 1_000_000_000), LimitState("tokens", 1000, 0, 90_500_000_000)]
    assert OPENAI.limit_headers(limits) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m30.5s",
    }
    assert OPENAI.limit_headers([]) == {}


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_event_is_one_line_of_data(text: str) -> None:
    """Whatever the text, since JSON escapes its line breaks; a per cent sign is none of the framing's."""
    chunk = orjson.dumps({"text": text})
    assert OPENAI.event(chunk) == b"data: " + chunk + b"\n\n"
    assert b"\n" not in chunk


def test_stream_ends_as_clients_expect() -> None:
    """By a word when it is complete, by an error when it broke; between, a comment keeps it open."""
    assert OPENAI.end == b"data: [DONE]\n\n"
    assert OPENAI.ping.startswith(b":")
    error = Overloaded("full")
    assert OPENAI.error_event(error) == b"data: " + OPENAI.error_body(error) + b"\n\n"
