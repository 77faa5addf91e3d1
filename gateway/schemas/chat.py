"""`/v1/chat/completions`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import orjson
from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from gateway.generation import SamplingParams
from gateway.schemas.common import CompletionUsage, DecodingRequest, NonEmptyStr, Wire, WireRequest
from gateway.schemas.images import ImagePart
from gateway.schemas.tools import NamedToolChoice, PastToolCall, Tool, ToolCall, ToolChoice


class TextPart(WireRequest):
    """The one kind of content part that every model takes."""

    type: Literal["text"]
    text: str


def _kind_of_part(value: object) -> str:
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "image_url" if kind == "image_url" else "text"


Part = Annotated[
    Annotated[TextPart, Tag("text")] | Annotated[ImagePart, Tag("image_url")], Discriminator(_kind_of_part)
]


def _kind_of_content(value: object) -> str:
    return "parts" if isinstance(value, list) else "text"


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[Part], Tag("parts")],
    Discriminator(_kind_of_content),
]


class Message(WireRequest):
    """One message of the conversation. The template decides what a role means to the model."""

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = None
    tool_calls: Annotated[list[PastToolCall], Field(max_length=128)] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @model_validator(mode="after")
    def _content_where_it_is_owed(self) -> Message:
        if self.content is None and self.role != "assistant":
            raise PydanticCustomError("missing", "Field required", {"param": "content"})
        return self

    def for_template(self) -> dict[str, Any]:
        """What chat templates expect: a role and a string, and tool calls where there are any.

        Templates of today know `system` but rarely OpenAI's newer name for it. Parts are joined by line breaks, as vLLM
        does for models whose template takes strings.
        """
        message = self.model_dump(exclude_none=True)
        message["role"] = "system" if self.role == "developer" else self.role
        if isinstance(self.content, list):
            message["content"] = "\n".join(part.text for part in self.content if isinstance(part, TextPart))
        elif self.content is None:
            message["content"] = ""
        if (reasoning := self.reasoning_content or self.reasoning) is not None:
            message["reasoning"] = message["reasoning_content"] = reasoning
        for call in message.get("tool_calls", ()):
            # Templates write the arguments as JSON themselves, from values.
            call["function"]["arguments"] = _values(call["function"].get("arguments"))
        return message


def _values(arguments: str | None) -> dict[str, Any]:
    values: Any = orjson.loads(arguments or "{}")
    if not isinstance(values, dict):
        raise ValueError("the arguments of a tool call are an object")
    return cast("dict[str, Any]", values)


class ChatCompletionRequest(DecodingRequest):
    """The request body. Fields that are known and can't be honoured yet are refused by name."""

    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "functions": (),
        "function_call": ("none", "auto"),
        "audio": (),
        "modalities": (["text"],),
        "web_search_options": (),
        "moderation": (),
        "reasoning_effort": ("none",),
        "chat_template": (),
        "chat_template_kwargs": ({},),
        "documents": (),
        "continue_final_message": (False,),
        "add_generation_prompt": (True,),
        "echo": (False,),
        "prompt_logprobs": (),
        "return_token_ids": (False,),
        "return_tokens_as_token_ids": (False,),
        "use_beam_search": (False,),
        "truncate_prompt_tokens": (),
        "mm_processor_kwargs": (),
        "priority": (0,),
        "cache_salt": (),
        "kv_transfer_params": (),
        "vllm_xargs": (),
        "logits_processors": (),
        "allowed_token_ids": (),
    }

    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)]
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    include_reasoning: bool | None = None

    @model_validator(mode="after")
    def _fields_that_need_each_other(self) -> ChatCompletionRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise PydanticCustomError(
                "invalid_value", "'top_logprobs' is only allowed when 'logprobs' is true.", {"param": "top_logprobs"}
            )
        both = (self.max_tokens, self.max_completion_tokens)
        if None not in both and both[0] != both[1]:
            raise PydanticCustomError(
                "invalid_value",
                "'max_tokens' and 'max_completion_tokens' must not differ; 'max_tokens' is deprecated.",
                {"param": "max_tokens"},
            )
        return self

    @model_validator(mode="after")
    def _chosen_tool_exists(self) -> ChatCompletionRequest:
        if self.tool_choice in (None, "none") or self.tools:
            names = [tool.function.name for tool in self.tools or ()]
            if not isinstance(self.tool_choice, NamedToolChoice) or self.tool_choice.function.name in names:
                return self
            raise PydanticCustomError(
                "invalid_value", "'tool_choice' names a function that is not in 'tools'.", {"param": "tool_choice"}
            )
        if self.tool_choice == "auto":
            return self  # many clients send it always
        raise PydanticCustomError(
            "invalid_value", "'tool_choice' is only allowed when 'tools' are specified.", {"param": "tool_choice"}
        )

    @property
    def may_call(self) -> bool:
        """Whether the answer may be tool calls."""
        return bool(self.tools) and self.tool_choice != "none"

    @property
    def completion_limit(self) -> int | None:
        """The most tokens that the answer may have, under either of its names; None: what the context leaves."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    def sampling_params(self) -> SamplingParams:
        given = dict(super().sampling_params())
        if self.logprobs:
            given["logprobs"] = True
            given["top_logprobs"] = self.top_logprobs or 0
        if self.include_reasoning is not None:
            given["include_reasoning"] = self.include_reasoning
        if self.may_call:
            given |= self.model_dump(include={"tools", "tool_choice", "parallel_tool_calls"}, exclude_none=True)
        return given


class TopLogprob(Wire):
    token: str
    logprob: float
    bytes: list[int] | None


class ChatTokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Wire):
    content: list[ChatTokenLogprob]
    refusal: None = None


def _is_none(value: object) -> bool:
    return value is None


class AssistantMessage(Wire):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = Field(None, exclude_if=_is_none)
    reasoning: str | None = Field(
        None, exclude_if=_is_none, description="Not OpenAI's: what the model thought before it answered."
    )
    reasoning_content: str | None = Field(None, exclude_if=_is_none, description="The same, by its other name.")


class ChatChoice(Wire):
    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: str
    stop_reason: NonEmptyStr | int | None = Field(
        None, description="Not OpenAI's: the stop string or token that was met."
    )


class ChatCompletion(Wire):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: CompletionUsage
    system_fingerprint: str | None = None
