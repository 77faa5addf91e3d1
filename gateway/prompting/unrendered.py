"""Chats for models whose backend renders: the messages as the contract wants them, and what else bears on the prompt."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from gateway.apis.chat.schema import ChatCompletionRequest
from gateway.apis.completions.schema import CompletionRequest
from gateway.errors import not_taken
from gateway.prompting.images.reading import ImageReference
from gateway.wire.decoding import DecodingRequest
from gateway.wire.images import ImagePart
from gateway.wire.messages import in_current_form

_TEMPLATE_FIELDS: Final = frozenset({"documents", "add_generation_prompt", "continue_final_message"})
"""Besides those that bear on decoding too."""


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
    messages = in_current_form(request.messages)
    for message in messages:
        if isinstance(message.get("content"), list):
            for part in message["content"]:
                if part["type"] == "image_url":
                    part["image_url"]["url"] = f"media:{next(numbers)}"
    return messages


def template_fields(request: ChatCompletionRequest) -> dict[str, Any]:
    """What a template is told besides the messages, by the names of vLLM's own API."""
    fields = request.model_dump(include=set(_TEMPLATE_FIELDS), exclude_none=True)
    if request.continue_final_message:
        fields["add_generation_prompt"] = False
    use = request.tool_use
    if use.tools and not use.may_call:
        fields["tools"] = [tool.model_dump(exclude_none=True) for tool in use.tools]
        fields["tool_choice"] = "none"
    return fields


def refuse_what_needs_tokens(request: DecodingRequest, model: str) -> None:
    """Raises BadRequest for a field that can't be honoured where only the backend knows the tokens of a prompt."""
    for name in ("truncate_prompt_tokens", "add_special_tokens"):
        if getattr(request, name) is not None:
            raise not_taken(name, f"is not taken for `{model}`, whose prompts its backend makes")
    if isinstance(request, CompletionRequest) and request.echo:
        if request.logprobs is not None or not isinstance(request.prompts()[0], str):
            raise not_taken("echo", f"of tokens and of their log-probabilities is not told of `{model}`")
