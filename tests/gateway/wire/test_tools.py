"""Tools and which of them may be called, by the current fields and by the deprecated ones."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.wire.tools import (
    AllowedToolChoice,
    ChosenFunction,
    FunctionDefinition,
    NamedToolChoice,
    Tool,
    ToolChoice,
    ToolUse,
    use_of_functions,
    use_of_tools,
)

CHOICE: TypeAdapter[Any] = TypeAdapter(ToolChoice)


def tool(name: str) -> Tool:
    return Tool(type="function", function=FunctionDefinition(name=name))


def named(name: str) -> NamedToolChoice:
    return NamedToolChoice(type="function", function=ChosenFunction(name=name))


def allowed(mode: str, *names: str) -> AllowedToolChoice:
    tools = [named(name).model_dump() for name in names]
    return AllowedToolChoice.model_validate({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})


@pytest.mark.parametrize(
    ("use", "fault", "may_call"),
    [
        (ToolUse([], None, None), None, False),
        (ToolUse([], "auto", None), None, False),
        (ToolUse([], "none", None), None, False),
        (ToolUse([], "required", None), "is only allowed when '{}' are specified", False),
        (ToolUse([], named("f"), None), "is only allowed when '{}' are specified", False),
        (ToolUse([tool("f")], None, None), None, True),
        (ToolUse([tool("f")], "none", None), None, False),
        (ToolUse([tool("f")], "required", None), None, True),
        (ToolUse([tool("f")], named("f"), None), None, True),
        (ToolUse([tool("f")], named("g"), None), "names a function that is not in '{}'", True),
    ],
)
def test_choice_fits_the_tools(use: ToolUse, fault: str | None, may_call: bool) -> None:
    """What many clients send always does no harm without tools."""
    assert (use.fault, use.may_call) == (fault, may_call)


def test_allowed_tools_are_a_subset() -> None:
    """In the order in which they were listed; its mode is the choice."""
    tools = [tool("f"), tool("g"), tool("h")]
    assert use_of_tools(tools, allowed("required", "h", "f"), True) == ToolUse([tools[0], tools[2]], "required", True)
    assert allowed("auto", "f", "h").are_among(tools)
    assert not allowed("auto", "f", "x").are_among(tools)
    assert use_of_tools(tools, named("g"), None) == ToolUse(tools, named("g"), None)


@pytest.mark.parametrize(("given", "choice"), [(None, None), ("auto", "auto"), (ChosenFunction(name="f"), named("f"))])
def test_functions_are_tools_of_one_call(given: Any, choice: Any) -> None:
    """The deprecated shape has place for no more."""
    assert use_of_functions([FunctionDefinition(name="f")], given) == ToolUse([tool("f")], choice, False)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("auto", str),
        ({"type": "function", "function": {"name": "f"}}, NamedToolChoice),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            AllowedToolChoice,
        ),
    ],
)
def test_choice_has_three_forms(written: Any, kind: type) -> None:
    """A mode, a function, or a set of them."""
    assert isinstance(CHOICE.validate_python(written), kind)


@pytest.mark.parametrize(
    "written", ["always", {}, {"type": "custom"}, {"type": "function", "function": {}}, 5], ids=str
)
def test_other_choices_are_refused(written: Any) -> None:
    """Not guessed at."""
    with pytest.raises(ValidationError):
        CHOICE.validate_python(written)


@pytest.mark.parametrize("name", ['a"b', "", "x" * 65, "a b", "a.b", "ключ", "ok\n", "a'"])
def test_odd_names_are_refused(name: str) -> None:
    """As at OpenAI: the name stands in the prompt and in the grammar of a call."""
    with pytest.raises(ValidationError, match="pattern"):
        tool(name)
    with pytest.raises(ValidationError, match="pattern"):
        named(name)


@pytest.mark.parametrize("name", ["a", "get-weather_2", "x" * 64])
def test_plain_names_are_taken(name: str) -> None:
    assert tool(name).function.name == name
