"""Tools of a chat, as OpenAI documents them: what may be called, what was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from gateway import exact_json
from gateway.wire.common import JsonObject, Wire, WireRequest

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
"""As at OpenAI: it stands in the prompt, and in the grammar of a call, where a quotation mark would end it."""


class FunctionDefinition(WireRequest):
    """`parameters` is a JSON schema; the engine judges it."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = Field(
        None,
        description="Mandatory calls always follow the schema, whatever the value; other calls may deviate from it. With"
        " `true`, a keyword that can't be enforced is refused by its path.",
    )


class Tool(WireRequest):
    hints: ClassVar[Mapping[str, str]] = {"defer_loading": "all tools are always in the prompt"}

    type: Literal["function"]
    function: FunctionDefinition


class ChosenFunction(WireRequest):
    name: FunctionName


class NamedToolChoice(WireRequest):
    """The one function that must be called."""

    type: Literal["function"]
    function: ChosenFunction


class AllowedTools(WireRequest):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedToolChoice], Field(min_length=1, max_length=128)]


class AllowedToolChoice(WireRequest):
    """The subset of `tools` that the model sees."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools

    @property
    def names(self) -> frozenset[str]:
        """The functions that may be called."""
        return frozenset(tool.function.name for tool in self.allowed_tools.tools)

    def are_among(self, tools: Sequence[Tool]) -> bool:
        """Whether all of them are there."""
        return self.names <= {tool.function.name for tool in tools}


def _kind_of_choice(value: object) -> str:
    if isinstance(value, str):
        return "mode"
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "allowed" if kind == "allowed_tools" else "named"


ToolMode = Literal["none", "auto", "required"]

ToolChoice = Annotated[
    Annotated[ToolMode, Tag("mode")]
    | Annotated[NamedToolChoice, Tag("named")]
    | Annotated[AllowedToolChoice, Tag("allowed")],
    Discriminator(_kind_of_choice),
]

FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], Tag("mode")] | Annotated[ChosenFunction, Tag("named")],
    Discriminator(_kind_of_choice),
]
"""The deprecated `function_call` of a request."""


class ToolUse(NamedTuple):
    """The tools that may be called, whether the client used the current or the deprecated fields."""

    tools: list[Tool]
    choice: ToolMode | NamedToolChoice | None
    parallel: bool | None

    @property
    def may_call(self) -> bool:
        """Whether the answer may be tool calls."""
        return bool(self.tools) and self.choice != "none"

    @property
    def fault(self) -> str | None:
        """What is wrong with the choice; `{}` stands for the field that lists what can be called."""
        if not self.tools:
            # Many clients send `auto` always.
            return None if self.choice in (None, "none", "auto") else "is only allowed when '{}' are specified"
        if isinstance(self.choice, NamedToolChoice):
            names = {tool.function.name for tool in self.tools}
            return None if self.choice.function.name in names else "names a function that is not in '{}'"
        return None


def use_of_tools(
    tools: list[Tool], choice: ToolMode | NamedToolChoice | AllowedToolChoice | None, parallel: bool | None
) -> ToolUse:
    """The use by the current fields."""
    if not isinstance(choice, AllowedToolChoice):
        return ToolUse(tools, choice, parallel)
    return ToolUse([tool for tool in tools if tool.function.name in choice.names], choice.allowed_tools.mode, parallel)


def use_of_functions(
    functions: list[FunctionDefinition], choice: Literal["none", "auto"] | ChosenFunction | None
) -> ToolUse:
    """The deprecated fields, which allow one call an answer."""
    tools = [Tool(type="function", function=function) for function in functions]
    named = NamedToolChoice(type="function", function=choice) if isinstance(choice, ChosenFunction) else choice
    return ToolUse(tools, named, parallel=False)


class FunctionCall(Wire):
    name: str
    arguments: str


class ToolCall(Wire):
    """One call in a whole answer. `arguments` is JSON in a string, as the model wrote it: it may be broken."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class FunctionCallDelta(Wire):
    name: str | None = None
    arguments: str


class ToolCallChunk(Wire):
    """A piece of a call: `id`, `type` and the name come with the first."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallDelta


def _as_text(value: Any) -> Any:
    """What should have been a JSON text, as one: clients also send the value itself, or nothing."""
    if isinstance(value, str):
        return value
    try:
        return "{}" if value is None else exact_json.dumps([[[value]]]).decode()[3:-3]
    except TypeError:
        raise PydanticCustomError("invalid_value", "The arguments are nested too deeply.") from None


class CalledFunction(WireRequest):
    name: str
    arguments: Annotated[str, BeforeValidator(_as_text)] = Field(
        "{}", description="The template receives an empty object for what is not a JSON object, as with vLLM."
    )


class PastToolCall(WireRequest):
    """A tool call in an earlier turn of the conversation, as a model or a client has written it: perhaps not to its end."""

    id: str | None = None
    type: Annotated[Literal["function"], BeforeValidator(lambda value: value or "function")] = "function"
    function: CalledFunction
