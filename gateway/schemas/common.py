"""What several endpoints share: the base of requests and responses, and the fields that bear on decoding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from gateway.generation import SamplingParams

NonEmptyStr = Annotated[str, Field(min_length=1)]


def _passes_on(value: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps([[[value]]])  # it travels inside other objects, and counts with them
    except TypeError:
        raise PydanticCustomError("invalid_value", "The object is nested too deeply.") from None
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_passes_on)]
"""An object that is passed on as it came. What is read may be nested deeper than what can be written: that is refused."""


def _kind_of_stop(value: object) -> str:
    return "texts" if isinstance(value, list) else "text"


Stop = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[NonEmptyStr], Field(max_length=4), Tag("texts")],
    Discriminator(_kind_of_stop),
]


class WireRequest(BaseModel):
    """A request body. Numbers and strings are taken as what they are, never converted; NaN and infinity are refused.

    A subclass lists the known fields that it can't honour and that would change the answer in `unsupported`: given with
    anything but null (or a value listed as harmless) they are refused by name. Other unknown fields are ignored, as
    OpenAI's newer hints must not break a server that is older than they are.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {}

    # The setting that has the model for a body that names none.
    default_model: ClassVar[Literal["default_model", "default_embedding_model"] | None] = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, harmless in cls.unsupported.items():
                given: object = value.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
                if given is not None and given not in harmless:
                    raise PydanticCustomError("unsupported_parameter", "{name}", {"name": name})
        return value  # pyright: ignore[reportUnknownVariableType]


class StreamOptions(WireRequest):
    include_usage: bool | None = None


class DecodingRequest(WireRequest):
    """The fields of chat and completions that bear on decoding; vLLM's extras among them.

    They reach the engine by their own names (`sampling_params`). The ranges are OpenAI's, so that a wrong value is
    refused here, before Triton is touched.
    """

    passed_on: ClassVar[frozenset[str]] = frozenset(
        {
            "temperature", "top_p", "n", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "stream",
            "top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos", "stop_token_ids", "bad_words",
            "include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens", "response_format",
            "structured_outputs",
        }
    )  # fmt: skip

    default_model = "default_model"

    model: NonEmptyStr
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    n: int | None = Field(None, ge=1, le=128)
    stop: Stop | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=300)] | None = None
    user: str | None = None

    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    stop_token_ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=128)] | None = None
    bad_words: Annotated[list[NonEmptyStr], Field(max_length=128)] | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None

    response_format: JsonObject | None = None
    structured_outputs: JsonObject | None = None

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> DecodingRequest:
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError(
                "invalid_value",
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                {"param": "stream_options"},
            )
        return self

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that carries the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def sampling_params(self) -> SamplingParams:
        """The options that were given, for the engine's own request class."""
        given = self.model_dump(include=set(self.passed_on), exclude_none=True)
        if given.get("top_p") == 0:
            # OpenAI allows 0 and means the likeliest token alone; vLLM wants more than 0.
            given["top_p"] = 1e-6
        return given


class Wire(BaseModel):
    """A response body, or a part of one. Fields that OpenAI documents as nullable are present even when null."""

    model_config = ConfigDict(frozen=True)


class PromptTokensDetails(Wire):
    cached_tokens: int


class CompletionUsage(Wire):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class PromptUsage(Wire):
    """Usage of what generates nothing."""

    prompt_tokens: int
    total_tokens: int


class ModelCard(Wire):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "triton"
    root: str = Field(description="As in vLLM: the model's own name, where `id` is an alias of it.")
    parent: str | None = Field(description="As in vLLM: the model that an adapter was loaded into.")
    max_model_len: int | None = Field(description="As in vLLM: the most tokens that it takes.")


class ModelList(Wire):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class ErrorBody(Wire):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(Wire):
    """OpenAI's error envelope."""

    error: ErrorBody
