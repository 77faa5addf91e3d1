"""Converts values to the types that a class declares (pure).

The official backend's clients write every parameter as a string, because Triton's request parameters allow little else:
"0.7", "false", "[1, 2]". The annotations of the engine's own class say which type is meant, so that a new parameter of
vLLM needs no line here.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from typing import Any, cast

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def coerce(annotation: Any, value: Any) -> Any:
    """The value in the annotation's type; raises ValueError with what it must be.

    For a type that is not known here, the value itself.
    """
    meant = _alternatives(annotation)
    if value is None or (isinstance(value, str) and str in meant):
        return value
    # In this order: where both are allowed the narrower one wins, and bool is an int in Python.
    for simple, convert in ((bool, _flag), (int, _whole), (float, _number)):
        if simple in meant:
            return convert(value)
    for candidate in meant:
        if typing.get_origin(candidate) in (list, dict):
            return _container(candidate, value)
        if dataclasses.is_dataclass(candidate) and isinstance(value, (str, dict)):
            return _structure(candidate, value)
    return value


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return tuple(inner for member in typing.get_args(annotation) for inner in _alternatives(member))
    return (annotation,)


def _flag(value: Any) -> bool:
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"must be true or false, not {value!r}")
    return found


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # A bool is an int here: `logprobs: true` means one, in vLLM too.
    if not isinstance(value, (int, str)):
        raise ValueError(f"must be a whole number, not {value!r}")
    try:
        return int(value)
    except ValueError as error:
        raise ValueError(f"must be a whole number, not {value!r}") from error


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"must be a number, not {value!r}")
    return number


def _container(annotation: Any, value: Any) -> Any:
    kind, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(value, str):
        value = _decoded(value)
    if kind is list and isinstance(value, list):
        return [coerce(inner[0], item) for item in cast("list[Any]", value)]
    if kind is dict and isinstance(value, dict):
        return {coerce(inner[0], key): coerce(inner[1], item) for key, item in cast("dict[Any, Any]", value).items()}
    raise ValueError(f"must be a {'list' if kind is list else 'JSON object'}, not {value!r}")


def _structure(cls: Any, value: Any) -> Any:
    document = _decoded(value) if isinstance(value, str) else value
    try:
        return cls(**document)
    except TypeError as error:
        raise ValueError(f"must have the keys of {cls.__name__}: {error}") from error


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
