"""JSON whose numbers keep their digits.

A parser that knows only 64 bits and doubles makes 1.2345678901234568e+29 of 123456789012345678901234567890, and 0.1 of
0.1000000000000000055. In a prompt or a schema that is another number. Such a number is read as a `WrittenNumber` here, and
written as it came.
"""

from __future__ import annotations

import json
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

_DIGITS: Final = bytes(ord("0") if chr(byte) in "0123456789." else ord(" ") for byte in range(256))
_MANY: Final = b"0" * 16  # what is shorter fits
_LONGEST_INTEGER: Final = 18
_MARK: Final = secrets.token_hex(16)  # unknown to clients, who therefore can't write it
_MARKED: Final = re.compile(f'"{_MARK}([^"]*)"')


class WrittenNumber(Decimal):
    """A number that neither 64 bits nor a double can hold, and its text."""

    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def loads(text: bytes) -> Any:
    """The value of a JSON text. Raises ValueError: the parser is strict, and refuses NaN, lone surrogates and numbers whose
    size no double has."""
    value: Any = orjson.loads(text)
    if _MANY not in text.translate(_DIGITS):
        return value
    try:
        return json.loads(text, parse_int=_integer, parse_float=_fraction)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def dumps(value: Any) -> bytes:
    """The value as compact JSON. Raises TypeError for what JSON can't hold or is nested too deeply."""
    return orjson.dumps(value, default=_fragment)


def dumps_spaced(value: Any, **options: Any) -> str:
    """The value as the standard library writes it, with its options."""
    text = json.dumps(value, default=_marked, **options)
    return _MARKED.sub(r"\1", text) if _MARK in text else text


def plain(value: Any) -> Any:
    """A `WrittenNumber` as the nearest number that is counted with; anything else as it is."""
    if type(value) is not WrittenNumber:
        return value
    return float(value) if value.text.strip("-0123456789") else int(value)


def _integer(text: str) -> int | WrittenNumber:
    if len(text) <= _LONGEST_INTEGER:
        return int(text)
    number = WrittenNumber(text)
    return int(text) if -(2**63) <= number < 2**64 else number


def _fraction(text: str) -> float | WrittenNumber:
    nearest = float(text)
    try:
        number = WrittenNumber(text)
    except InvalidOperation:  # closer to zero than a decimal can be
        return nearest
    return nearest if number == Decimal(repr(nearest)) else number


def _fragment(value: Any) -> orjson.Fragment:
    if type(value) is not WrittenNumber:
        raise TypeError
    return orjson.Fragment(value.text.encode())


def _marked(value: Any) -> str:
    if type(value) is not WrittenNumber:
        raise TypeError(f"{type(value).__name__} is not JSON")
    return _MARK + value.text
