"""OpenAI's messages to a conversation, and on to what templates expect."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.exact_json import WrittenNumber
from gateway.prompting.conversation import Conversation, ImageReference
from gateway.prompting.messages import conversation_of, for_template
from gateway.prompting.template import ChatTemplate
from gateway.wire.messages import Message
from gateway.wire.tools import Tool

TEXT = {"type": "text", "text": "a"}


def image(url: str, **members: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


def conversation(*messages: dict[str, Any], **fields: Any) -> Conversation:
    defaults: dict[str, Any] = {
        "tools": [],
        "arguments": {},
        "named_arguments": (),
        "needs": {},
        "add_generation_prompt": None,
        "continue_final_message": None,
    }
    return conversation_of([Message.model_validate(message) for message in messages], **{**defaults, **fields})


def test_images_are_numbered_through() -> None:
    """Each stands as its number in the message, and as its place and URL in the list."""
    made = conversation(
        {"role": "user", "content": [image("data:x", detail="low"), TEXT]},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": [TEXT, image("https://y"), image("https://z")]},
    )
    assert made.images == [
        ImageReference("messages[0].content[0].image_url.url", "data:x"),
        ImageReference("messages[2].content[1].image_url.url", "https://y"),
        ImageReference("messages[2].content[2].image_url.url", "https://z"),
    ]
    assert [message["content"] for message in made.messages] == [
        [image("media:0", detail="low"), TEXT],
        "b",
        [TEXT, image("media:1"), image("media:2")],
    ]


@pytest.mark.parametrize(
    ("asks", "continues", "expected"),
    [
        (None, None, (True, False)),
        (None, True, (False, True)),
        (False, None, (False, False)),
        (True, None, (True, False)),
        (False, True, (False, True)),
    ],
)
def test_end_of_the_prompt_is_chosen(asks: bool | None, continues: bool | None, expected: tuple[bool, bool]) -> None:
    """A new turn is asked for unless the last message goes on, or the client says otherwise."""
    made = conversation({"role": "user", "content": "a"}, add_generation_prompt=asks, continue_final_message=continues)
    assert (made.asks_for_turn, made.continues) == expected


def test_no_tools_are_none() -> None:
    """Templates tell an empty list from nothing."""
    assert conversation({"role": "user", "content": "a"}).tools is None
    tool = {"type": "function", "function": {"name": "now"}}
    assert conversation({"role": "user", "content": "a"}, tools=[Tool.model_validate(tool)]).tools == [tool]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([TEXT, {"type": "refusal", "refusal": "no"}], "a\nno"),
        ([TEXT, image("media:0"), TEXT], "a\na"),
        ([], ""),
    ],
)
def test_content_is_one_text_to_templates(content: Any, text: str) -> None:
    """Parts by lines, a refusal among them; images are for models whose backend renders."""
    [made] = for_template([{"role": "user", "content": content, "name": "Eve"}])
    assert made == {"role": "user", "content": text, "name": "Eve"}


def test_arguments_of_calls_are_values_to_templates() -> None:
    """They write them as JSON themselves; no arguments are none."""
    calls = [{"id": "c", "function": {"name": "f", "arguments": '{"a": [1]}'}}, {"function": {"name": "g"}}]
    messages = [{"role": "assistant", "content": None, "tool_calls": calls}]
    [made] = for_template(messages)
    assert [call["function"]["arguments"] for call in made["tool_calls"]] == [{"a": [1]}, {}]
    assert calls[0]["function"] == {"name": "f", "arguments": '{"a": [1]}'}


@pytest.mark.parametrize(
    "arguments", ["{", '{"a": 1', "5", "[]", "null", "nonsense", '"text"', "", '{"a": 1e400}', "NaN"]
)
def test_arguments_that_are_no_object_are_an_empty_one(arguments: str) -> None:
    """As with vLLM: a model wrote them, and a refusal would end the conversation for good."""
    call = {"function": {"name": "f", "arguments": arguments}}
    [made] = for_template([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert made["tool_calls"][0]["function"]["arguments"] == {}


def assistant(**call: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", **call}]}


@pytest.mark.parametrize(
    ("arguments", "text", "values"),
    [
        ({"a": 1}, '{"a":1}', {"a": 1}),
        ([1], "[1]", {}),
        (None, "{}", {}),
        (5, "5", {}),
        ("", "", {}),
        ("hello", "hello", {}),
        ({"a": WrittenNumber("18446744073709551616")}, '{"a":18446744073709551616}', {"a": 2**64}),
    ],
)
def test_arguments_are_a_text_whatever_the_client_sent(arguments: Any, text: str, values: dict[str, Any]) -> None:
    """A backend that renders reads it, and templates get the values."""
    made = conversation(assistant(function={"name": "f", "arguments": arguments})).messages
    assert made[0]["tool_calls"][0]["function"]["arguments"] == text
    assert for_template(made)[0]["tool_calls"][0]["function"]["arguments"] == values


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        (assistant(function={"name": ""}), [""]),
        ({**assistant(function={"name": "f"}), "function_call": {"name": "g"}}, ["f"]),
        (
            {"role": "assistant", "content": "a", "tool_calls": [], "function_call": {"name": "g", "arguments": "{"}},
            ["g"],
        ),
        ({"role": "assistant", "content": "a", "tool_calls": [{"type": None, "function": {"name": "f"}}]}, ["f"]),
        ({"role": "assistant", "content": "a", "tool_calls": []}, None),
        ({"role": "assistant", "content": "a", "tool_calls": None, "function_call": None}, None),
        ({"role": "user", "content": "a", "tool_calls": [{"function": {"name": "f"}}]}, None),
    ],
)
def test_calls_are_those_of_the_assistant(message: dict[str, Any], calls: list[str] | None) -> None:
    """Without any there is no list either: templates take an empty one for calls, and leave the text out."""
    [made] = for_template(conversation(message).messages)
    found = [call["function"]["name"] for call in made["tool_calls"]] if "tool_calls" in made else None
    assert (found, made["content"]) == (calls, "a")


ROLES = ("developer", "system", "user", "assistant", "tool", "function")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "content", [None, "", [], [{"type": "text", "text": ""}], [{"type": "text", "text": None}], [""]]
)
def test_nothing_may_be_said_in_every_role(role: str, content: Any) -> None:
    """A tool without a result, an assistant that was cut off at once."""
    [made] = for_template(conversation({"role": role, "content": content}).messages)
    assert made["content"] == ""


@pytest.mark.parametrize("first", ROLES)
def test_roles_come_in_any_order(first: str) -> None:
    """Which orders make sense is for the template to say."""
    made = for_template(conversation(*({"role": role, "content": role} for role in (first, *reversed(ROLES)))).messages)
    assert [message["content"] for message in made] == [first, *reversed(ROLES)]
    assert all(len(message["tool_call_id"]) == 9 for message in made if message["content"] == "function")


@pytest.mark.parametrize(
    "part",
    [
        "a",
        {"type": "text", "text": "a"},
        {"type": "input_text", "text": "a"},
        {"type": "output_text", "text": "a", "annotations": []},
        {"type": "thinking", "thinking": "a"},
        {"type": "refusal", "refusal": "a"},
    ],
)
def test_text_has_several_names(part: Any) -> None:
    """All that vLLM's renderer takes. Empty parts are no lines."""
    [made] = for_template(conversation({"role": "user", "content": ["", part, "b"]}).messages)
    assert made["content"] == "a\nb"


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "3.14159265358979323846"])
def test_numbers_of_past_calls_keep_their_digits(number: str) -> None:
    """On the way to a template, which writes them itself."""
    message = assistant(function={"name": "f", "arguments": f'{{"n": {number}}}'})
    template = ChatTemplate("{{ messages[0].tool_calls[0].function.arguments | tojson }}", {})
    assert template.render(conversation(message)).text == f'{{"n": {number}}}'
