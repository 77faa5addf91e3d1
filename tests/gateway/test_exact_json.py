"""JSON whose numbers come out as they went in."""

from __future__ import annotations

import json
from numbers import Number
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import exact_json
from gateway.exact_json import WrittenNumber

KEPT = [
    "123456789012345678901234567890",
    "-123456789012345678901234567890",
    "18446744073709551616",
    "-9223372036854775809",
    "3.14159265358979323846",
    "0.1000000000000000055511151231257827",
    "1234567890.12345678901",
    "9" * 300,
]
PLAIN = ["0", "-1", "18446744073709551615", "-9223372036854775808", "1.5", "0.30000000000000004", "1e5", "1234567890.5"]


@pytest.mark.parametrize("written", KEPT)
def test_number_is_written_as_it_came(written: str) -> None:
    """By both writers, at any depth, also as the text that a template prints."""
    text = f'{{"a":[{{"b":{written}}}],"c":"{written}"}}'
    value = exact_json.loads(text.encode())
    assert exact_json.dumps(value).decode() == text
    assert exact_json.dumps_spaced(value, separators=(",", ":")) == text
    number = value["a"][0]["b"]
    assert (str(number), repr(number), isinstance(number, Number)) == (written, written, True)


@pytest.mark.parametrize("written", PLAIN)
def test_number_that_fits_is_plain(written: str) -> None:
    """Also beside one that doesn't: an int or a float, as the standard library has it."""
    for text in (f"[{written}]", f"[{written},{KEPT[0]}]"):
        value = exact_json.loads(text.encode())[0]
        assert value == json.loads(written)
        assert type(value) is type(json.loads(written))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_integers_are_exact(value: Any) -> None:
    """Whatever their size."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        written = text.encode()
    except UnicodeEncodeError:
        return
    assert json.loads(exact_json.dumps(exact_json.loads(written))) == value


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '"\\ud800"', "1e400", "-1e400", "[1" + "0" * 400 + "e1]", "{", ""]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    """Strictly, a size that no double has too."""
    with pytest.raises(ValueError, match=r".+"):
        exact_json.loads(text.encode())


def test_depth_is_refused() -> None:
    """The slower of the two parsers can do less of it."""
    deep = "[" * 1015 + KEPT[0] + "]" * 1015
    with pytest.raises(ValueError, match="deep"):
        exact_json.loads(deep.encode())


@pytest.mark.parametrize(("written", "number"), [(KEPT[0], int(KEPT[0])), (KEPT[4], 3.141592653589793), ("5", 5)])
def test_number_can_be_counted_with(written: str, number: float) -> None:
    """The fields that are numbers themselves take the nearest that there is."""
    value = exact_json.plain(exact_json.loads(written.encode()))
    assert value == number
    assert not isinstance(value, WrittenNumber)


def test_what_is_not_json_is_not_written() -> None:
    """Neither writer invents something for it."""
    with pytest.raises(TypeError):
        exact_json.dumps({"a": object()})
    with pytest.raises(TypeError):
        exact_json.dumps_spaced({"a": object()})


def test_plain_values_are_read_by_the_fast_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is for long numbers only."""
    monkeypatch.setattr(json, "loads", None)
    assert exact_json.loads(b'{"a": [1, 2.5, "text 12345"]}') == orjson.loads(b'{"a": [1, 2.5, "text 12345"]}')
