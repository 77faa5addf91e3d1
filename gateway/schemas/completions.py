"""`/v1/completions`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from gateway.generation import SamplingParams
from gateway.schemas.common import CompletionUsage, DecodingRequest, NonEmptyStr, Wire

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1)]


def kind_of_prompt(value: object) -> str:
    """Which of OpenAI's four forms a `prompt` or `input` has, by its first element."""
    if not isinstance(value, list):
        return "text"
    first: object = value[0] if value else ""  # pyright: ignore[reportUnknownVariableType]
    if isinstance(first, list):
        return "token_arrays"
    return "tokens" if isinstance(first, int) else "texts"


Prompt = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1, max_length=1024), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=1024), Tag("token_arrays")],
    Discriminator(kind_of_prompt),
]


class CompletionRequest(DecodingRequest):
    """The request body. Fields that are known and can't be honoured yet are refused by name."""

    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "suffix": ("",),
        "echo": (False,),
        "prompt_embeds": (),
        "prompt_logprobs": (),
        "return_token_ids": (False,),
        "return_tokens_as_token_ids": (False,),
        "use_beam_search": (False,),
        "truncate_prompt_tokens": (),
        "add_special_tokens": (True,),
        "priority": (0,),
        "cache_salt": (),
        "kv_transfer_params": (),
        "vllm_xargs": (),
        "logits_processors": (),
        "allowed_token_ids": (),
    }

    prompt: Prompt
    max_tokens: int | None = Field(None, ge=1)
    best_of: int | None = Field(None, ge=0, le=20)
    logprobs: int | None = Field(None, ge=0, le=5)

    @model_validator(mode="after")
    def _no_more_than_is_returned(self) -> CompletionRequest:
        if self.best_of is not None and self.best_of > (self.n or 1):
            raise PydanticCustomError(
                "unsupported_value", "'best_of' greater than 'n' is not supported by this server.", {"param": "best_of"}
            )
        return self

    def prompts(self) -> list[str] | list[list[int]]:
        """The prompts, each a text or token ids; what stands alone as a list of one."""
        prompt = self.prompt
        if isinstance(prompt, str):
            return [prompt]
        if isinstance(prompt[0], int):
            return [[token for token in prompt if isinstance(token, int)]]
        return prompt  # pyright: ignore[reportReturnType]  # one of the two list forms, told apart by the discriminator

    def sampling_params(self) -> SamplingParams:
        given = dict(super().sampling_params())
        if self.logprobs is not None:
            given["logprobs"] = self.logprobs
        return given


class CompletionLogprobs(Wire):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(Wire):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: str
    stop_reason: NonEmptyStr | int | None = Field(
        None, description="Not OpenAI's: the stop string or token that was met."
    )


class Completion(Wire):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage
    system_fingerprint: str | None = None
