"""Messages that the backend renders itself (pure): a chat as OpenAI writes it, whose images come beside it as bytes.

    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "media:0"}}, …]}   element 0 of tensor `media`

vLLM fetches whatever address it finds in a message. Here nothing is fetched: only those kinds of parts pass that can hold
no address, and an image only as the number of an element.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import BadRequest

TEXT_PARTS = ("text", "refusal")
IMAGE_PART = "image_url"
DETAILS = (None, "auto", "low", "high")
_MEDIA = re.compile(r"media:(0|[1-9][0-9]{0,3})", re.ASCII)

_MAGIC = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


@dataclass(frozen=True, slots=True)
class Conversation:
    """`messages` name each of the `images` once, in order."""

    messages: Sequence[Mapping[str, Any]]
    images: Sequence[bytes]

    def with_images(self) -> list[dict[str, Any]]:
        """The messages with the images inside, as data URLs: the one form that every renderer of vLLM takes."""
        urls = [_data_url(image) for image in self.images]
        return [_written(message, urls, place) for place, message in enumerate(self.messages)]

    def text(self) -> str:
        """Roles and texts without the images, for an engine without a template."""
        lines = [f"{message['role']}\n{''.join(_texts(message.get('content')))}\n" for message in self.messages]
        return "".join(lines)


def read_conversation(messages: Any, media: Sequence[bytes]) -> Conversation:
    """The messages, checked and with known members only; raises BadRequest, naming the message at fault."""
    listed = cast("list[Any]", messages) if isinstance(messages, list) else []
    if not listed:
        raise BadRequest("messages must be a list of at least one message", param="messages")
    named: list[int] = []
    read = [_message(message, f"messages[{index}]", named) for index, message in enumerate(listed)]
    if named != list(range(len(media))):
        raise BadRequest("messages must name each element of the tensor media once, in order", param="media")
    return Conversation(read, tuple(media))


def check_images(count: int, most: int, *, param: str = "messages") -> None:
    """Raises BadRequest where a request has more images than the model takes."""
    if count and not most:
        raise BadRequest("this model takes no images", param=param)
    if count > most:
        raise BadRequest(f"this model takes at most {most} images in a prompt, not {count}", param=param)


def _message(message: Any, where: str, named: list[int]) -> Mapping[str, Any]:
    if not isinstance(message, dict) or not isinstance(cast("dict[str, Any]", message).get("role"), str):
        raise BadRequest(f"{where} must be an object with a role", param=where)
    fields = cast("dict[str, Any]", message)
    content = fields.get("content")
    if content is None or isinstance(content, str):
        return fields
    if not isinstance(content, list):
        raise BadRequest(f"{where}.content must be a text or a list of parts", param=f"{where}.content")
    parts = [_part(part, f"{where}.content[{index}]", named) for index, part in enumerate(cast("list[Any]", content))]
    return {**fields, "content": parts}


def _part(part: Any, where: str, named: list[int]) -> dict[str, Any]:
    """A part made anew of the members that are known, so that nothing else reaches vLLM."""
    fields = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
    kind = fields.get("type")
    if kind in TEXT_PARTS:
        if not isinstance(fields.get(kind), str):
            raise BadRequest(f"{where}.{kind} must be a text", param=where)
        return {"type": kind, kind: fields[kind]}
    if kind != IMAGE_PART:
        raise BadRequest(f"{where}: {kind!r} is no kind of part that is taken here", param=where)
    image: Any = fields.get(IMAGE_PART)
    url: Any = cast("dict[str, Any]", image).get("url") if isinstance(image, dict) else None
    detail: Any = cast("dict[str, Any]", image).get("detail") if isinstance(image, dict) else None
    match = _MEDIA.fullmatch(url) if isinstance(url, str) else None
    if match is None or detail not in DETAILS:
        raise BadRequest(f'{where}: an image is written "media:" and the number of its element', param=where)
    named.append(int(match[1]))
    return {"type": kind, IMAGE_PART: {"url": url, **({} if detail is None else {"detail": detail})}}


def _written(message: Mapping[str, Any], urls: Sequence[str], place: int) -> dict[str, Any]:
    message = _with_ids(message, place)
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    parts: list[dict[str, Any]] = []
    for part in cast("list[dict[str, Any]]", content):
        if part["type"] == IMAGE_PART:
            number = int(part[IMAGE_PART]["url"].removeprefix("media:"))
            parts.append({**part, IMAGE_PART: {**part[IMAGE_PART], "url": urls[number]}})
        else:
            parts.append(part)
    return {**message, "content": parts}


def _with_ids(message: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    """vLLM refuses a call without an id, which not every client keeps: such a call gets one, of nine characters as the
    strictest templates want it."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or all(isinstance(call, dict) and "id" in call for call in cast("list[Any]", calls)):
        return message
    made: list[Any] = []
    for number, call in enumerate(cast("list[Any]", calls)):
        made.append(
            {"id": f"c{place:05d}{number:03d}", **cast("dict[str, Any]", call)} if isinstance(call, dict) else call
        )
    return {**message, "tool_calls": made}


def _texts(content: Any) -> list[str]:
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return [str(part.get(part["type"])) for part in parts if part["type"] in TEXT_PARTS]
    return [content] if isinstance(content, str) else []


def _data_url(image: bytes) -> str:
    kind = next((kind for magic, kind in _MAGIC if image.startswith(magic)), "image/png")
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"
