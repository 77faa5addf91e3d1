"""`/tokenize` and `/detokenize`, as vLLM has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from gateway.prompting.conversation import Conversation
from gateway.wire import messages as wire_messages
from gateway.wire import tools as wire_tools
from gateway.wire.common import JsonObject, NonEmptyStr, Refused, RequestBody, Wire, invalid
from gateway.wire.decoding import TokenIdField
from gateway.wire.images import ImagePart
from gateway.wire.messages import Message
from gateway.wire.tools import Tool

_OPERATORS = Refused("it is for the operator of the server to set")


class TokenizeRequest(RequestBody):
    """A `prompt`, or `messages` with what else bears on the prompt of a chat."""

    refused: ClassVar[Mapping[str, Refused]] = {
        "chat_template": Refused("templates of clients are not run"),
        "mm_processor_kwargs": _OPERATORS,
        "media_io_kwargs": _OPERATORS,
    }

    default_model = "default_model"

    model: NonEmptyStr
    prompt: str | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)] | None = None
    add_special_tokens: bool | None = Field(
        None, description="True unless given; with `messages` false, because chat templates write them."
    )
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = Field(None, description="True unless the last message goes on.")
    continue_final_message: bool | None = None
    chat_template_kwargs: JsonObject | None = Field(
        None, description="Variables of the chat template, those that the setting `template_arguments` lists."
    )
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise invalid("prompt", "Give either 'prompt' or 'messages'.")
        if self.continue_final_message and self.add_generation_prompt:
            raise invalid(
                "add_generation_prompt", "'continue_final_message' and 'add_generation_prompt' can't both be true."
            )
        return self

    @property
    def has_images(self) -> bool:
        """Whether any message has one."""
        return any(isinstance(part, ImagePart) for message in self.messages or () for part in message.content or ())

    def conversation(self) -> Conversation:
        """What the template makes a prompt of. Raises ValueError for past calls whose arguments are no JSON object."""
        continues = bool(self.continue_final_message)
        return Conversation(
            messages=wire_messages.for_template(self.messages or []),
            tools=wire_tools.for_template(self.tools or []),
            arguments=self.chat_template_kwargs or {},
            asks=not continues if self.add_generation_prompt is None else self.add_generation_prompt,
            continues=continues,
        )


class TokenizeResponse(Wire):
    count: int
    max_model_len: int = Field(description="The most tokens that the model takes; 0 where nobody knows.")
    tokens: list[int]
    token_strs: list[str] | None = Field(description="The tokens as the vocabulary has them, when asked for.")


class DetokenizeRequest(RequestBody):
    default_model = "default_model"

    model: NonEmptyStr
    tokens: list[TokenIdField]


class DetokenizeResponse(Wire):
    prompt: str
