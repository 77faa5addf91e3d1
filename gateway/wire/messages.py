"""The messages of a conversation, as OpenAI documents them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from gateway.wire.common import WireRequest
from gateway.wire.images import ImagePart
from gateway.wire.tools import CalledFunction, PastToolCall


class TextPart(WireRequest):
    """The one kind of content part that every model takes."""

    type: Literal["text"]
    text: str


class RefusalPart(WireRequest):
    """A refusal of the assistant in an earlier turn."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """A refusal counts as text."""
        return self.refusal


def _kind_of_part(value: object) -> str:
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("refusal", "image_url") else "text"


_TEXTS_BY_OTHER_NAMES: Mapping[str, str] = {"input_text": "text", "output_text": "text", "thinking": "thinking"}
"""Kinds of parts that are text to vLLM, and the member that has it: the first two come from the Responses API."""


def _in_chat_form(part: Any) -> Any:
    """Text by whatever name vLLM takes it, as a text part. A text of null is an empty one."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    members = cast("dict[str, Any]", part)
    kind = members.get("type")
    if kind == "text":
        return {**members, "text": ""} if "text" in members and members["text"] is None else members
    member = _TEXTS_BY_OTHER_NAMES.get(kind) if isinstance(kind, str) else None
    return members if member is None or member not in members else {"type": "text", "text": members[member] or ""}


Part = Annotated[
    Annotated[TextPart, Tag("text")] | Annotated[RefusalPart, Tag("refusal")] | Annotated[ImagePart, Tag("image_url")],
    Discriminator(_kind_of_part),
    BeforeValidator(_in_chat_form),
]


def _kind_of_content(value: object) -> str:
    return "parts" if isinstance(value, list) else "text"


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[Part], Tag("parts")],
    Discriminator(_kind_of_content),
]


class Message(WireRequest):
    """One message of the conversation. The template decides what a role means to the model."""

    hints: ClassVar[Mapping[str, str]] = {
        "annotations": "annotations only describe the text, which `content` already has",
        "refusal": "it informs only the reader; the text of the message is in `content`",
    }

    role: Literal["developer", "system", "user", "assistant", "tool", "function"] = Field(
        description="The template receives `developer` as `system` and `function` as `tool`."
    )
    content: Content | None = Field(None, description="A text, null, or a list of text parts, in every role.")
    name: str | None = None
    tool_calls: Annotated[list[PastToolCall], Field(max_length=128)] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = Field(
        None, description="Deprecated; the template receives it as a tool call."
    )
    reasoning: str | None = Field(None, description="The assistant's reasoning, for templates that use it.")
    reasoning_content: str | None = Field(None, description="Another name for `reasoning`.")

    @model_validator(mode="after")
    def _what_is_owed(self) -> Message:
        if "content" not in self.model_fields_set and self.role in ("developer", "system", "user"):
            raise PydanticCustomError("missing", "Field required", {"param": "content"})
        return self

    @property
    def text(self) -> str:
        """The content as one text: parts are joined by line breaks, as vLLM does for templates that take strings."""
        if isinstance(self.content, list):
            texts = (part.text for part in self.content if not isinstance(part, ImagePart))
            return "\n".join(text for text in texts if text)
        return self.content or ""


_ROLES: Mapping[str, str] = {"developer": "system", "function": "tool"}
"""Templates know neither of OpenAI's newest name for the system nor its oldest for a tool."""


def in_current_form(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in OpenAI's current form: deprecated names are replaced, content and arguments stay as they came. Calls
    that are none (an empty list, or in a message that is not the assistant's) are left out, because templates that see them
    may leave out the message's text."""
    return [_in_current_form(message, place) for place, message in enumerate(messages)]


def _in_current_form(message: Message, place: int) -> dict[str, Any]:
    made = message.model_dump(exclude_none=True, exclude={"function_call", "reasoning", "reasoning_content"})
    made["role"] = _ROLES.get(message.role, message.role)
    if (reasoning := message.reasoning_content or message.reasoning) is not None:
        made["reasoning"] = made["reasoning_content"] = reasoning
    # The deprecated shape has no ids, but a call is answered by the message behind it.
    if message.role == "function":
        made["tool_call_id"] = _call_id(max(0, place - 1))
    if message.role != "assistant" or not message.tool_calls:
        made.pop("tool_calls", None)
    if message.function_call is not None and "tool_calls" not in made:
        function = message.function_call.model_dump(exclude_none=True)
        made["tool_calls"] = [{"id": _call_id(place), "type": "function", "function": function}]
    return made


def _call_id(place: int) -> str:
    """Nine letters and digits, which is what the strictest templates ask for."""
    return f"call{place:05d}"
