"""Messages as clients write them, and in OpenAI's current form."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.wire.messages import Message, in_current_form

IMAGE = {"type": "image_url", "image_url": {"url": "data:x"}}


def parsed(**members: Any) -> Message:
    return Message.model_validate(members)


def current(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return in_current_form([parsed(**message) for message in messages])


@pytest.mark.parametrize(
    ("role", "told"),
    [("developer", "system"), ("system", "system"), ("user", "user"), ("assistant", "assistant"), ("tool", "tool")],
)
def test_roles_are_those_that_templates_know(role: str, told: str) -> None:
    """The newest name of the system is its old one to them."""
    assert current({"role": role, "content": "a"}) == [{"role": told, "content": "a"}]


def test_deprecated_calls_are_tool_calls() -> None:
    """Each with an id made of its place, by which the message behind it answers."""
    user, called, answered, again = current(
        {"role": "user", "content": "a"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "b"},
        {"role": "assistant", "content": "c", "function_call": {"name": "g"}},
    )
    assert user == {"role": "user", "content": "a"}
    call = {"id": "call00001", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert called == {"role": "assistant", "tool_calls": [call]}
    assert answered == {"role": "tool", "name": "f", "content": "b", "tool_call_id": "call00001"}
    assert again["tool_calls"][0] == {
        "id": "call00003",
        "type": "function",
        "function": {"name": "g", "arguments": "{}"},
    }


@pytest.mark.parametrize(
    ("members", "reasoning"),
    [
        ({"reasoning": "a"}, "a"),
        ({"reasoning_content": "b"}, "b"),
        ({"reasoning": "a", "reasoning_content": "b"}, "b"),
        ({"reasoning": ""}, ""),
    ],
)
def test_reasoning_has_both_its_names(members: dict[str, str], reasoning: str) -> None:
    """Templates look at the one or the other."""
    [made] = current({"role": "assistant", "content": "c", **members})
    assert (made["reasoning"], made["reasoning_content"]) == (reasoning, reasoning)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ([{"type": "text", "text": "a"}, IMAGE, {"type": "refusal", "refusal": "b"}], "a\nb"),
        ([], ""),
    ],
)
def test_content_has_a_text(content: Any, text: str) -> None:
    """Of its parts by lines, without the images."""
    assert parsed(role="user", content=content).text == text


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"role": "user"}, "content"),
        ({"role": "system"}, "content"),
        ({"role": "developer"}, "content"),
    ],
)
def test_missing_member_is_named(members: dict[str, Any], param: str) -> None:
    """An assistant and a tool may have said nothing; whoever else did says so with null."""
    assert [parsed(role=role).text for role in ("assistant", "tool", "function")] == ["", "", ""]
    assert parsed(**members, content=None).text == ""
    with pytest.raises(ValidationError) as caught:
        parsed(**members)
    [error] = caught.value.errors()
    assert (error["type"], error["ctx"]["param"]) == ("missing", param)


@pytest.mark.parametrize(
    "members",
    [
        {"role": "narrator", "content": "a"},
        {"role": "user", "content": 5},
        {"role": "user", "content": [5]},
        {"role": "user", "content": [{"type": "text"}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": [{**IMAGE, "image_url": {"url": ""}}]},
    ],
    ids=str,
)
def test_other_messages_are_refused(members: dict[str, Any]) -> None:
    """Not guessed at."""
    with pytest.raises(ValidationError):
        parsed(**members)
