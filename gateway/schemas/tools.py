"""Tools of a chat, as OpenAI documents them: what may be called, what was called."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.schemas.common import JsonObject, NonEmptyStr, Wire, WireRequest

FunctionName = Annotated[str, Field(min_length=1, max_length=256)]


class FunctionDefinition(WireRequest):
    """`parameters` is a JSON schema; the engine judges it."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class Tool(WireRequest):
    type: Literal["function"]
    function: FunctionDefinition


class ChosenFunction(WireRequest):
    name: FunctionName


class NamedToolChoice(WireRequest):
    """The one function that must be called."""

    type: Literal["function"]
    function: ChosenFunction


def _kind_of_choice(value: object) -> str:
    return "mode" if isinstance(value, str) else "named"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("mode")] | Annotated[NamedToolChoice, Tag("named")],
    Discriminator(_kind_of_choice),
]


class FunctionCall(Wire):
    name: str
    arguments: str


class ToolCall(Wire):
    """One call in a whole answer. `arguments` is JSON in a string, as the model wrote it: it may be broken."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class CalledFunction(WireRequest):
    name: NonEmptyStr
    arguments: str | None = None


class PastToolCall(WireRequest):
    """A call that the conversation tells of."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


def for_template(tools: list[Tool] | None) -> list[dict[str, Any]] | None:
    """What chat templates call `tools`."""
    return None if tools is None else [tool.model_dump(exclude_none=True) for tool in tools]
