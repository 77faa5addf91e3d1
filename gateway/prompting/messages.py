"""OpenAI's messages to a `Conversation`, and a conversation's messages to what chat templates expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any, Final, cast

from gateway import exact_json
from gateway.prompting.conversation import Conversation, ImageReference
from gateway.wire.images import ImagePart
from gateway.wire.messages import Message, in_current_form
from gateway.wire.tools import Tool

_TEXT_PARTS: Final = ("text", "refusal")
"""A refusal is part of what was said."""


def conversation_of(
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool],
    arguments: Mapping[str, Any],
    named_arguments: Collection[str],
    needs: Mapping[str, frozenset[str]],
    add_generation_prompt: bool | None,
    continue_final_message: bool | None,
) -> Conversation:
    """The conversation that a request's fields make up (`Conversation` has their meaning)."""
    continues = bool(continue_final_message)
    return Conversation(
        messages=_numbered(messages),
        images=_images(messages),
        tools=[tool.model_dump(exclude_none=True) for tool in tools] or None,
        arguments=arguments,
        named_arguments=named_arguments,
        needs=needs,
        asks_for_turn=not continues if add_generation_prompt is None else add_generation_prompt,
        continues=continues,
    )


def _images(messages: Sequence[Message]) -> list[ImageReference]:
    return [
        ImageReference(f"messages[{place}].content[{number}].image_url.url", part.image_url.url)
        for place, message in enumerate(messages)
        if isinstance(message.content, list)
        for number, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    ]


def _numbered(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in their current form, with the number of each image in place of its URL."""
    numbers = count()
    written = in_current_form(messages)
    for message in written:
        content = message.get("content")
        if isinstance(content, list):
            for part in cast("list[dict[str, Any]]", content):
                if part["type"] == "image_url":
                    part["image_url"]["url"] = f"media:{next(numbers)}"
    return written


def for_template(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What chat templates expect: a role and a string, and the arguments of calls as values, which they write as JSON
    themselves. Arguments that are no JSON object become an empty one, as with vLLM: a model has written them, and refused,
    they would end the conversation for good."""
    return [_for_template(message) for message in messages]


def _for_template(message: Mapping[str, Any]) -> dict[str, Any]:
    flat = {**message, "content": _text(message.get("content"))}
    if "tool_calls" in message:
        flat["tool_calls"] = [_with_values(call) for call in message["tool_calls"]]
    return flat


def _text(content: Any) -> str:
    """The content as one text: parts that are not empty are joined by line breaks, as vLLM does for templates that take
    strings."""
    if not isinstance(content, list):
        return content or ""
    parts = cast("list[dict[str, Any]]", content)
    return "\n".join(text for part in parts if part["type"] in _TEXT_PARTS and (text := part[part["type"]]))


def _with_values(call: Mapping[str, Any]) -> dict[str, Any]:
    function: Mapping[str, Any] = call["function"]
    return {**call, "function": {**function, "arguments": _values(function.get("arguments"))}}


def _values(arguments: str | None) -> dict[str, Any]:
    try:
        values: Any = exact_json.loads((arguments or "{}").encode())
    except ValueError:
        return {}
    return cast("dict[str, Any]", values) if isinstance(values, dict) else {}
