"""Formats of an answer: which they are, and that one constraint is enough."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.wire.formats import ResponseFormat, StructuredOutputs

FORMAT: TypeAdapter[Any] = TypeAdapter(ResponseFormat)


@pytest.mark.parametrize(
    "written",
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a-b_1", "schema": {"type": "object"}, "strict": False}},
        {"type": "structural_tag", "structures": [{"begin": "<f>"}], "triggers": ["<f"]},
        {"type": "structural_tag", "format": {"type": "any_text"}},
    ],
    ids=lambda written: str(written["type"]),
)
def test_format_is_passed_on_as_it_came(written: dict[str, Any]) -> None:
    """By its type."""
    assert FORMAT.validate_python(written).model_dump(by_alias=True, exclude_none=True) == written


@pytest.mark.parametrize(
    "written",
    [
        {"type": "yaml"},
        {},
        "text",
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"name": "a"}},
        {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}},
        {"type": "json_schema", "json_schema": {"name": "x" * 65, "schema": {}}},
    ],
    ids=str,
)
def test_other_format_is_refused(written: Any) -> None:
    """A type that nobody knows, or a schema without what it needs."""
    with pytest.raises(ValidationError):
        FORMAT.validate_python(written)


@pytest.mark.parametrize("name", StructuredOutputs.constraints)
def test_one_constraint_is_taken(name: str) -> None:
    """By vLLM's name for it, which travels on, without the options that no backend of vLLM uses."""
    values: dict[str, Any] = {"json": {"type": "object"}, "choice": ["a"], "json_object": True}
    written = {name: values.get(name, "a")}
    made = StructuredOutputs.model_validate({**written, "disable_any_whitespace": True})
    assert made.model_dump(by_alias=True, exclude_none=True) == written


@pytest.mark.parametrize("written", [{}, {"disable_any_whitespace": True}, {"regex": "a", "grammar": "b"}])
def test_other_number_of_constraints_is_refused(written: dict[str, Any]) -> None:
    """None asks for nothing, and of two nobody knows which counts."""
    with pytest.raises(ValidationError, match="Exactly one of json, regex"):
        StructuredOutputs.model_validate(written)
