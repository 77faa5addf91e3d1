"""The base classes of requests and responses, and shapes that all APIs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from gateway import exact_json

NonEmptyStr = Annotated[str, Field(min_length=1)]


def _passes_on(value: dict[str, Any]) -> dict[str, Any]:
    try:
        exact_json.dumps([[[value]]])  # it travels inside other objects, and counts with them
    except TypeError:
        raise PydanticCustomError("invalid_value", "The object is nested too deeply.") from None
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_passes_on)]
"""An object that is passed on as it came. What is read may be nested deeper than what can be written: that is refused."""


def invalid(param: str, message: str) -> PydanticCustomError:
    """What a validator of several fields raises: the field at fault, and what is wrong with it."""
    # Pydantic's messages are templates: a brace would be a place to fill in.
    return PydanticCustomError("invalid_value", "{message}", {"message": message, "param": param})


class Refused(NamedTuple):
    """A known field that can't be honoured and would change the answer: why, and the values that ask for nothing."""

    reason: str
    harmless: tuple[object, ...] = ()


class WireRequest(BaseModel):
    """A request body, or a part of one. Values are never converted from one type to another; NaN and infinity are refused.

    Every field that a client may know of is declared, in one of three ways, from which `docs/compatibility.md` is made:

        a field of the class    honoured; its description says what is not plain from OpenAI's documentation
        `hints`                 accepted and not used: it would not change what is answered, for the reason given
        `refused`               a 400 that names it, unless its value asks for nothing
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    hints: ClassVar[Mapping[str, str]] = {}
    refused: ClassVar[Mapping[str, Refused]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, value: Any) -> Any:
        if isinstance(value, dict):
            given = cast("dict[str, Any]", value)
            for name, refused in cls.refused.items():
                if given.get(name) is not None and given[name] not in refused.harmless:
                    raise PydanticCustomError(
                        "unsupported_parameter", "{reason}", {"reason": refused.reason, "param": name}
                    )
        return cast("Any", value)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The hints are documented with the fields, as what they are."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).setdefault("properties", {})
        for name, reason in cls.hints.items():
            properties[name] = {"description": f"Accepted and not used: {reason}."}
        return schema


class RequestBody(WireRequest):
    """A whole body. Unknown fields are kept by name, because the setting `strict` refuses them."""

    model_config = ConfigDict(extra="allow")

    # The setting that has the model for a body that names none.
    default_model: ClassVar[Literal["default_model", "default_embedding_model"] | None] = None

    def unknown_fields(self) -> list[str]:
        """Fields that are neither OpenAI's nor vLLM's, as far as is known here."""
        return [name for name in self.model_extra or () if name not in self.hints and name not in self.refused]


class Wire(BaseModel):
    """A response body, or a part of one. Fields that OpenAI documents as nullable are present even when null."""

    model_config = ConfigDict(frozen=True)


class PromptUsage(Wire):
    """The usage of an endpoint that generates no tokens."""

    prompt_tokens: int
    total_tokens: int


class ErrorBody(Wire):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(Wire):
    """OpenAI's error envelope."""

    error: ErrorBody
