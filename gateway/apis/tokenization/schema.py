"""`/tokenize` and `/detokenize`, as vLLM has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from gateway.prompting.conversation import Conversation
from gateway.prompting.messages import conversation_of
from gateway.wire.common import JsonObject, NonEmptyStr, Refused, RequestBody, Wire, invalid
from gateway.wire.decoding import TokenIdField
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
        None,
        description="Default true; with `messages` the default is false, because chat templates contain these tokens.",
    )
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = Field(
        None, description="Default true, unless the answer continues the last message."
    )
    continue_final_message: bool | None = None
    chat_template_kwargs: JsonObject | None = Field(
        None, description="Variables of the chat template; only those that the setting `template_arguments` lists."
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

    def conversation(self) -> Conversation:
        """The conversation that a chat with the same fields would have."""
        return conversation_of(
            self.messages or [],
            tools=self.tools or [],
            arguments=self.chat_template_kwargs or {},
            named_arguments=(self.chat_template_kwargs or {}).keys(),
            needs={},
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
        )


class TokenizeResponse(Wire):
    count: int
    max_model_len: int = Field(description="The maximum number of tokens that the model accepts; 0 if unknown.")
    tokens: list[int]
    token_strs: list[str] | None = Field(description="The tokens as texts of the vocabulary, if requested.")


class DetokenizeRequest(RequestBody):
    default_model = "default_model"

    model: NonEmptyStr
    tokens: list[TokenIdField]


class DetokenizeResponse(Wire):
    prompt: str
