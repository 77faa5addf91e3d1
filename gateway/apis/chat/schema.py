"""`/v1/chat/completions`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gateway.generation import SamplingParams
from gateway.prompting.conversation import Conversation
from gateway.prompting.messages import conversation_of
from gateway.prompting.turn import Turn
from gateway.wire import tools as wire_tools
from gateway.wire.answers import Answer, AnswerChoice, Chunk, ChunkChoice, PromptLogprobs, is_none
from gateway.wire.common import JsonObject, Refused, Wire, invalid
from gateway.wire.decoding import MOST_LOGPROBS, DecodingRequest
from gateway.wire.messages import Message
from gateway.wire.tools import (
    AllowedToolChoice,
    FunctionCall,
    FunctionCallDelta,
    FunctionChoice,
    FunctionDefinition,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolChoice,
    ToolUse,
)


class ChatCompletionRequest(DecodingRequest):
    """The request body."""

    hints: ClassVar[Mapping[str, str]] = {
        **DecodingRequest.hints,
        "metadata": "nothing is stored",
        "store": "nothing is stored",
        "service_tier": "there is only one tier",
        "prediction": "it could make the answer faster, but not change it",
        "prompt_cache_key": "the engine finds common beginnings of prompts without it",
        "prompt_cache_options": "the engine finds common beginnings of prompts without it",
        "prompt_cache_retention": "the engine finds common beginnings of prompts without it",
        "safety_identifier": "the gateway does not distinguish users",
        "verbosity": "no open model supports it",
        # Of vLLM 0.27; newer ones have dropped it.
        "return_assistant_tokens_mask": "vLLM uses it on another endpoint only",
    }

    refused: ClassVar[Mapping[str, Refused]] = {
        **DecodingRequest.refused,
        "audio": Refused("text is all that is answered"),
        "modalities": Refused("text is all that is answered", (["text"],)),
        "web_search_options": Refused("there is no web search"),
        "moderation": Refused("ask /v1/moderations"),
        "chat_template": Refused("templates of clients are not run"),
        "mm_processor_kwargs": Refused("it is for the operator of the server to set"),
        "media_io_kwargs": Refused("it is for the operator of the server to set"),
        "return_prompt_text": Refused("it is not offered", (False,)),
    }

    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: int | None = Field(None, ge=1, description="Default and maximum: the rest of the context.")
    max_tokens: int | None = Field(
        None, ge=1, description="Deprecated name of `max_completion_tokens`, which counts if both are given."
    )
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)] | None = Field(
        None, description="Functions, for models with a tool parser."
    )
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = Field(None, description="With false, the answer contains only the first call.")
    functions: Annotated[list[FunctionDefinition], Field(min_length=1, max_length=128)] | None = Field(
        None, description="Deprecated: works like `tools`; the answer uses `function_call`."
    )
    function_call: FunctionChoice | None = Field(None, description="Deprecated: works like `tool_choice`.")
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = Field(
        None,
        description="For models whose chat template uses `reasoning_effort` or `enable_thinking`; other models refuse it.",
    )
    include_reasoning: bool | None = Field(None, description="vLLM's: with false, the answer has no reasoning.")
    chat_template_kwargs: JsonObject | None = Field(
        None,
        description="vLLM's: variables of the chat template; only those that the setting `template_arguments` lists.",
    )
    documents: Annotated[list[dict[str, str]], Field(min_length=1, max_length=1024)] | None = Field(
        None, description="vLLM's, for models whose chat template uses them; other models refuse them."
    )
    add_generation_prompt: bool | None = Field(None, description="vLLM's.")
    continue_final_message: bool | None = Field(None, description="vLLM's: the answer continues the last message.")
    echo: bool | None = Field(
        None, description="vLLM's: the answer starts with the text of the last message, if that is the assistant's."
    )

    @model_validator(mode="after")
    def _fields_that_need_each_other(self) -> ChatCompletionRequest:
        for name in ("top_logprobs", "logprob_token_ids"):
            if getattr(self, name) is not None and not self.logprobs:
                raise invalid(name, f"'{name}' is only allowed when 'logprobs' is true.")
        if self.continue_final_message and self.add_generation_prompt:
            raise invalid(
                "add_generation_prompt", "'continue_final_message' and 'add_generation_prompt' can't both be true."
            )
        return self

    @model_validator(mode="after")
    def _chosen_tool_exists(self) -> ChatCompletionRequest:
        if self.functions is not None and self.tools is not None:
            raise invalid("functions", "'functions' is the deprecated name of 'tools': give one of them.")
        if isinstance(self.tool_choice, AllowedToolChoice) and not self.tool_choice.are_among(self.tools or ()):
            raise invalid("tool_choice", "'tool_choice' allows a function that is not in 'tools'.")
        listed, chosen = ("tools", "tool_choice") if self.functions is None else ("functions", "function_call")
        if self.function_call is not None and self.functions is None and self.function_call != "none":
            raise invalid("function_call", "'function_call' is only allowed when 'functions' are specified.")
        if (fault := self.tool_use.fault) is not None:
            raise invalid(chosen, f"'{chosen}' {fault.format(listed)}.")
        return self

    @property
    def tool_use(self) -> ToolUse:
        """What may be called, by the current fields or the deprecated ones."""
        if self.functions is not None:
            return wire_tools.use_of_functions(self.functions, self.function_call)
        return wire_tools.use_of_tools(self.tools or [], self.tool_choice, self.parallel_tool_calls)

    @property
    def completion_limit(self) -> int | None:
        """The most tokens that the answer may have, under either of its names; None: what the context leaves."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def echoed(self) -> str | None:
        """What the answer starts with."""
        return self.messages[-1].text if self.echo and self.messages[-1].role == "assistant" else None

    def template_arguments(self) -> dict[str, Any]:
        """Variables of the template that the client has set, by any of the fields that do so."""
        arguments: dict[str, Any] = dict(self.chat_template_kwargs or {})
        if self.documents is not None:
            arguments["documents"] = self.documents
        if self.reasoning_effort is not None:
            arguments["reasoning_effort"] = self.reasoning_effort
            arguments.setdefault("enable_thinking", self.reasoning_effort != "none")
        return arguments

    def conversation(self) -> Conversation:
        """What is said before the answer."""
        needs: dict[str, frozenset[str]] = {}
        if self.documents is not None:
            needs["documents"] = frozenset({"documents"})
        if self.reasoning_effort not in (None, "none"):
            needs["reasoning_effort"] = frozenset({"reasoning_effort", "enable_thinking"})
        return conversation_of(
            self.messages,
            tools=self.tool_use.tools,
            arguments=self.template_arguments(),
            named_arguments=(self.chat_template_kwargs or {}).keys(),
            needs=needs,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
        )

    def turn(self) -> Turn:
        """What the model is asked."""
        called_by = "tools" if self.functions is None else "functions"
        return Turn(
            "chat",
            self.conversation(),
            self.sampling_params(),
            limit=self.completion_limit,
            special_tokens=self.add_special_tokens,
            keep=self.truncate_prompt_tokens,
            keep_side=self.truncation_side,
            tools_param=called_by if self.tool_use.may_call else None,
        )

    def sampling_params(self) -> SamplingParams:
        given = dict(super().sampling_params())
        if self.logprobs:
            given["logprobs"] = True
            given["top_logprobs"] = self.top_logprobs or 0
        # The engine's reasoning parsers look at the arguments of the template.
        reasoning = {"include_reasoning", "reasoning_effort", "chat_template_kwargs"}
        given |= self.model_dump(include=reasoning, exclude_none=True)
        if (use := self.tool_use).may_call:
            given["tools"] = [tool.model_dump(exclude_none=True) for tool in use.tools]
            if use.choice is not None:
                given["tool_choice"] = use.choice if isinstance(use.choice, str) else use.choice.model_dump()
            if use.parallel is not None:
                given["parallel_tool_calls"] = use.parallel
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


class AssistantMessage(Wire):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = Field(None, exclude_if=is_none)
    function_call: FunctionCall | None = Field(
        None, exclude_if=is_none, description="Deprecated: the answer if the request used `functions`."
    )
    reasoning: str | None = Field(
        None, exclude_if=is_none, description="Not in OpenAI's API: the model's reasoning before its answer."
    )
    reasoning_content: str | None = Field(None, exclude_if=is_none, description="Another name for `reasoning`.")


class ChatChoice(AnswerChoice):
    message: AssistantMessage
    logprobs: ChatLogprobs | None


class ChatCompletion(Answer[ChatChoice]):
    object: Literal["chat.completion"] = "chat.completion"
    prompt_logprobs: PromptLogprobs | None = Field(None, exclude_if=is_none, description="vLLM's.")
    prompt_token_ids: list[int] | None = Field(None, exclude_if=is_none, description="vLLM's.")


class MessageDelta(Wire):
    """The new parts of a message."""

    role: Literal["assistant"] | None = Field(None, description="In the first chunk of a choice.")
    content: str | None = None
    refusal: None = None
    tool_calls: list[ToolCallChunk] | None = None
    function_call: FunctionCallDelta | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class ChatChunkChoice(ChunkChoice):
    delta: MessageDelta
    logprobs: ChatLogprobs | None


class ChatCompletionChunk(Chunk[ChatChunkChoice]):
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    prompt_token_ids: list[int] | None = Field(None, exclude_if=is_none, description="vLLM's, in the first chunk.")
