"""OpenAI's messages to a conversation, and on to what templates expect."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.prompting.conversation import Conversation, ImageReference
from gateway.prompting.messages import conversation_of, for_template
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


@pytest.mark.parametrize("arguments", ["{", "5", "[]", "null", "nonsense"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """Templates would fail on them, each in a way of its own."""
    call = {"function": {"name": "f", "arguments": arguments}}
    with pytest.raises(BadRequest) as caught:
        for_template([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert (caught.value.param, caught.value.code) == ("messages", "invalid_value")
