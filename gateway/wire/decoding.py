"""The fields of chat and completions that bear on decoding, vLLM's extras among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from gateway.exact_json import plain
from gateway.generation import SamplingParams
from gateway.wire.common import JsonObject, NonEmptyStr, Refused, RequestBody, WireRequest, invalid
from gateway.wire.formats import ResponseFormat, StructuredOutputs

MOST_LOGPROBS = 20
"""The most alternatives a token for which vLLM is set up unless `model.json` says otherwise; OpenAI's limit for chat."""

TokenIdField = Annotated[int, Field(ge=0, lt=2**31)]


def _kind_of_stop(value: object) -> str:
    return "texts" if isinstance(value, list) else "text"


Stop = Annotated[
    Annotated[NonEmptyStr, Tag("text")] | Annotated[list[NonEmptyStr], Field(max_length=4), Tag("texts")],
    Discriminator(_kind_of_stop),
]

LogitBias = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[0-9]{1,10}$")],
        Annotated[float, Field(ge=-100, le=100), BeforeValidator(plain)],
    ],
    Field(max_length=300),
]

_REMOVED = Refused("vLLM has removed it; give 'structured_outputs' or 'response_format' instead")
_OPERATORS = Refused("it is for the operator of the server to set")


class StreamOptions(WireRequest):
    hints: ClassVar[Mapping[str, str]] = {"include_obfuscation": "chunks are never padded"}

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = Field(
        None, description="vLLM's: with `include_usage`, every chunk has the usage so far."
    )


class DecodingRequest(RequestBody):
    """What chat and completions share. The options reach the engine by their own names (`sampling_params`). The ranges are
    OpenAI's, so that a wrong value is refused here, before Triton is touched."""

    passed_on: ClassVar[frozenset[str]] = frozenset(
        {
            "temperature", "top_p", "n", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "stream",
            "top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos", "stop_token_ids", "bad_words",
            "allowed_token_ids", "include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens",
            "response_format", "structured_outputs", "logprob_token_ids", "prompt_logprobs", "return_token_ids",
            "thinking_token_budget", "repetition_detection", "priority",
        }
    )  # fmt: skip

    hints: ClassVar[Mapping[str, str]] = {
        "user": "the gateway does not distinguish users",
        "request_id": "the header `x-request-id` identifies a request",
        "session_id": "the gateway keeps no state of conversations",
        "stream_interval": "tokens are sent as soon as they are generated",
        "return_token_offsets": "vLLM uses it on another endpoint only",
        "mm_payload": "vLLM uses it on another endpoint only",
        "return_mm_kwargs": "vLLM uses it on another endpoint only",
    }

    refused: ClassVar[Mapping[str, Refused]] = {
        "guided_json": _REMOVED,
        "guided_regex": _REMOVED,
        "guided_choice": _REMOVED,
        "guided_grammar": _REMOVED,
        "guided_decoding_backend": _REMOVED,
        "guided_whitespace_pattern": _REMOVED,
        "use_beam_search": Refused("beam search is not offered", (False,)),
        "length_penalty": Refused("it bears on beam search, which is not offered", (1.0,)),
        "watermarking": Refused("it is not offered", (False,)),
        "return_weight_versions": Refused("it is not offered", (False,)),
        "logits_processors": Refused("code of clients is not run"),
        "prompt_embeds": Refused("prompts are text or token ids"),
        "routed_experts_prompt_start": Refused("routed experts are not returned", (0,)),
        "cache_salt": _OPERATORS,
        "kv_transfer_params": _OPERATORS,
        "ec_transfer_params": _OPERATORS,
        "vllm_xargs": _OPERATORS,
    }

    default_model = "default_model"

    model: NonEmptyStr
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1, description="0 means that only the most likely token is used.")
    n: int | None = Field(None, ge=1, le=128, description="At temperature 0 all choices are equal.")
    stop: Stop | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: LogitBias | None = None
    response_format: ResponseFormat | None = Field(None, description="A grammar enforces it, with or without `strict`.")

    top_k: int | None = Field(None, ge=-1, description="vLLM's.")
    min_p: float | None = Field(None, ge=0, le=1, description="vLLM's.")
    repetition_penalty: float | None = Field(None, gt=0, le=2, description="vLLM's.")
    min_tokens: int | None = Field(None, ge=0, description="vLLM's.")
    ignore_eos: bool | None = Field(None, description="vLLM's.")
    stop_token_ids: Annotated[list[TokenIdField], Field(max_length=128)] | None = Field(None, description="vLLM's.")
    bad_words: Annotated[list[NonEmptyStr], Field(max_length=128)] | None = Field(None, description="vLLM's.")
    allowed_token_ids: Annotated[list[TokenIdField], Field(min_length=1, max_length=4096)] | None = Field(
        None, description="vLLM's."
    )
    include_stop_str_in_output: bool | None = Field(None, description="vLLM's.")
    skip_special_tokens: bool | None = Field(None, description="vLLM's.")
    spaces_between_special_tokens: bool | None = Field(None, description="vLLM's.")
    structured_outputs: StructuredOutputs | None = Field(
        None, description="vLLM's: a JSON schema, a regular expression, a choice, a grammar or a structural tag."
    )
    truncate_prompt_tokens: int | None = Field(
        None, ge=-1, description="vLLM's: the number of prompt tokens to keep; -1 keeps as many as fit."
    )
    truncation_side: Literal["left", "right"] | None = Field(
        None, description="vLLM's: the side on which a prompt is truncated; default `left`."
    )
    add_special_tokens: bool | None = Field(None, description="vLLM's: whether the tokeniser adds its special tokens.")
    prompt_logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS, description="vLLM's; not with `stream`.")
    logprob_token_ids: Annotated[list[TokenIdField], Field(min_length=1, max_length=128)] | None = Field(
        None, description="vLLM's: with `logprobs`, the answer has these tokens instead of the most likely ones."
    )
    return_token_ids: bool | None = Field(None, description="vLLM's: `token_ids` and `prompt_token_ids` in the answer.")
    return_tokens_as_token_ids: bool | None = Field(
        None, description="vLLM's: log-probabilities name tokens as `token_id:…`."
    )
    thinking_token_budget: int | None = Field(None, ge=-1, description="vLLM's, of reasoning models.")
    repetition_detection: JsonObject | None = Field(None, description="vLLM's.")
    priority: int | None = Field(
        None,
        ge=0,
        lt=2**31,
        description="vLLM's: a higher value means later. Used only if the engine schedules by priority; negative values"
        " are refused.",
    )

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> DecodingRequest:
        if self.stream_options is not None and not self.stream:
            raise invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
        if self.prompt_logprobs is not None and self.stream:
            raise invalid("prompt_logprobs", "'prompt_logprobs' can't be had with 'stream'.")
        return self

    @model_validator(mode="after")
    def _one_format(self) -> DecodingRequest:
        if (
            self.structured_outputs is not None
            and self.response_format is not None
            and self.response_format.type != "text"
        ):
            raise invalid(
                "structured_outputs",
                "'structured_outputs' and 'response_format' can't both say what the answer looks like.",
            )
        return self

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that carries the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def continuous_usage(self) -> bool:
        """Whether every chunk of a stream carries the usage so far."""
        return self.include_usage and bool(self.stream_options and self.stream_options.continuous_usage_stats)

    def sampling_params(self) -> SamplingParams:
        """The options that were given, for the engine's own request class."""
        given = self.model_dump(include=set(self.passed_on), by_alias=True, exclude_none=True)
        if given.get("top_p") == 0:
            # OpenAI allows 0 and means the likeliest token alone; vLLM wants more than 0.
            given["top_p"] = 1e-6
        return given
