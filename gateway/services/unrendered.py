"""Chats for models whose backend renders: the messages as the contract wants them, and what else bears on the prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from gateway.schemas.chat import ChatCompletionRequest
from gateway.schemas.images import ImagePart
from gateway.services.images import ImageReference

_ROLES: Final[Mapping[str, str]] = {"developer": "system"}
"""Templates know `system`, but rarely OpenAI's newer name for it."""

_TEMPLATE_FIELDS: Final = frozenset(
    {
        "tools",
        "chat_template_kwargs",
        "reasoning_effort",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
    }
)


def images_of(request: ChatCompletionRequest) -> list[ImageReference]:
    """The images in the messages, in order."""
    return [
        ImageReference(f"messages[{place}].content[{number}].image_url.url", part.image_url.url)
        for place, message in enumerate(request.messages)
        if isinstance(message.content, list)
        for number, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    ]


def numbered_messages(request: ChatCompletionRequest) -> list[dict[str, Any]]:
    """The messages, with the number of each image in place of its URL."""
    numbers = count()
    return [_message(message.model_dump(exclude_none=True), numbers) for message in request.messages]


def template_fields(request: ChatCompletionRequest) -> dict[str, Any]:
    """What a template is told besides the messages, by the names of vLLM's own API."""
    fields = request.model_dump(include=set(_TEMPLATE_FIELDS), exclude_none=True)
    if "tools" in fields and not request.may_call:
        fields["tool_choice"] = "none"
    return fields


def _message(message: dict[str, Any], numbers: Iterator[int]) -> dict[str, Any]:
    message["role"] = _ROLES.get(message["role"], message["role"])
    if isinstance(message.get("content"), list):
        for part in message["content"]:
            if part["type"] == "image_url":
                part["image_url"]["url"] = f"media:{next(numbers)}"
    return message
