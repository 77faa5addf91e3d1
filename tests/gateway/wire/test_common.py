"""The base of all request bodies: nothing is converted, and every known field has its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
import pytest
from pydantic import ValidationError

from gateway.wire.common import JsonObject, Refused, RequestBody, WireRequest, invalid


class Part(WireRequest):
    text: str


class Body(RequestBody):
    hints: ClassVar[Mapping[str, str]] = {"user": "nobody is told apart by it"}
    refused: ClassVar[Mapping[str, Refused]] = {"beam": Refused("there are {none}", (False, 1.0))}

    n: int | None = None
    p: float | None = None
    part: Part | None = None
    more: JsonObject | None = None


def problem(**fields: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(fields)
    [error] = caught.value.errors(include_url=False)
    return dict(error)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": "1"},
        {"n": 1.0},
        {"n": True},
        {"p": "0.5"},
        {"p": float("nan")},
        {"p": float("inf")},
        {"part": {"text": 5}},
    ],
    ids=str,
)
def test_nothing_is_converted(fields: dict[str, Any]) -> None:
    """Nor is what is no number taken for one."""
    assert problem(**fields)["type"] != "missing"


def test_refused_field_says_why() -> None:
    """In our words, braces and all, and by its name."""
    error = problem(beam=2)
    assert (error["type"], error["msg"], error["ctx"]["param"]) == ("unsupported_parameter", "there are {none}", "beam")


@pytest.mark.parametrize("value", [None, False, 1.0])
def test_refused_field_that_asks_for_nothing_is_harmless(value: Any) -> None:
    """Clients send defaults."""
    assert Body.model_validate({"beam": value}).n is None


def test_unknown_fields_are_known_by_name() -> None:
    """Hints and refused ones are not among them; a part of a body forgets its own."""
    body = Body.model_validate({"user": "u", "beam": False, "new": 1, "part": {"text": "a", "newer": 2}})
    assert body.unknown_fields() == ["new"]
    assert body.part == Part(text="a")


def test_object_is_passed_on_as_it_came() -> None:
    """Unless it is nested deeper than can be written again."""
    given = {"type": "object", "default": None, "é": [1, {"a": 0.5}]}
    assert Body.model_validate({"more": given}).more == given
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    assert problem(more=deep)["type"] == "invalid_value"


def test_deep_object_is_refused_before_it_fails() -> None:
    """As deep as the parser takes, whatever is put around it later can still be written."""
    for depth in range(240, 256):
        value: Any = 0
        for _ in range(depth):
            value = {"a": value}
        try:
            taken = Body.model_validate({"more": value}).more
        except ValidationError:
            continue
        assert orjson.dumps({"body": {"response_format": {"schema": taken}}})


def test_fault_of_several_fields_names_one() -> None:
    """The message is no template, whatever is in it."""
    error = invalid("n", "'{}' and {n} differ")
    assert (error.message(), error.type) == ("'{}' and {n} differ", "invalid_value")
    assert error.context == {"message": "'{}' and {n} differ", "param": "n"}


def test_hints_are_documented() -> None:
    """As fields that are accepted and not used."""
    properties = Body.model_json_schema()["properties"]
    assert properties["user"]["description"] == "Accepted and not used: nobody is told apart by it."
    assert "beam" not in properties
