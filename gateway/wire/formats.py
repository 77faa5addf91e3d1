"""Formats of the answer that the engine enforces: `response_format`, and vLLM's `structured_outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gateway.wire.common import JsonObject, NonEmptyStr, WireRequest, invalid


class TextFormat(WireRequest):
    type: Literal["text"]


class JsonObjectFormat(WireRequest):
    type: Literal["json_object"]


class JsonSchema(WireRequest):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    # `schema` is a method of pydantic's models.
    json_schema: JsonObject = Field(alias="schema")
    strict: bool | None = Field(
        None,
        description="A keyword that can't be enforced is refused by its path with `true`, else passed over; the rest is"
        " enforced, whatever the value (docs/structured-outputs.md).",
    )


class JsonSchemaFormat(WireRequest):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class StructuralTagFormat(WireRequest):
    """vLLM's: text with stretches that must follow a schema. The engine judges the members."""

    type: Literal["structural_tag"]
    format: JsonObject | None = None
    structures: list[JsonObject] | None = None
    triggers: list[str] | None = None


def _kind_of_format(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return kind if kind in ("json_object", "json_schema", "structural_tag") else "text"


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("text")]
    | Annotated[JsonObjectFormat, Tag("json_object")]
    | Annotated[JsonSchemaFormat, Tag("json_schema")]
    | Annotated[StructuralTagFormat, Tag("structural_tag")],
    Discriminator(_kind_of_format),
]


class StructuredOutputs(WireRequest):
    """vLLM's: exactly one of its constraints."""

    hints: ClassVar[Mapping[str, str]] = {
        "disable_any_whitespace": "it is the engine's setting; JSON has no white space that it does not need",
        "disable_additional_properties": "properties that a schema does not name are only there if it says so",
        "whitespace_pattern": "no backend of vLLM uses it",
    }

    constraints: ClassVar[tuple[str, ...]] = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")

    # `json` is a method of pydantic's models.
    json_schema: JsonObject | str | None = Field(
        None, alias="json", description="A keyword that can't be enforced is refused (docs/structured-outputs.md)."
    )
    regex: NonEmptyStr | None = None
    choice: Annotated[list[NonEmptyStr], Field(min_length=1, max_length=1024)] | None = None
    grammar: NonEmptyStr | None = None
    json_object: bool | None = None
    structural_tag: str | None = None

    @model_validator(mode="after")
    def _one_constraint(self) -> StructuredOutputs:
        given = self.model_dump(by_alias=True, exclude_none=True)
        if len(given.keys() & set(self.constraints)) != 1:
            raise invalid("", f"Exactly one of {', '.join(self.constraints)} must be given in 'structured_outputs'.")
        return self
