"""`/v1/completions`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gateway.generation import SamplingParams
from gateway.prompting.turn import Turn
from gateway.wire.answers import Answer, AnswerChoice, Chunk, ChunkChoice, PromptLogprobs, is_none
from gateway.wire.common import Refused, Wire, invalid
from gateway.wire.decoding import MOST_LOGPROBS, DecodingRequest
from gateway.wire.inputs import TokenIds, as_list, kind_of_inputs

Prompt = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1, max_length=1024), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=1024), Tag("token_arrays")],
    Discriminator(kind_of_inputs),
]


class CompletionRequest(DecodingRequest):
    """The request body."""

    refused: ClassVar[Mapping[str, Refused]] = {
        **DecodingRequest.refused,
        "suffix": Refused(
            "models differ in how they are asked to fill a gap; write this one's own markers into the prompt", ("",)
        ),
    }

    prompt: Prompt | None = Field(
        None,
        description="One or several texts, or one or several lists of token ids. At most 128 choices in total. Without one,"
        " the model begins a text, behind its `bos_token`, or else its `eos_token`.",
    )
    max_tokens: int | None = Field(None, ge=0, description="Default 16; at most the rest of the context.")
    best_of: int | None = Field(
        None,
        ge=1,
        le=20,
        description="The number of choices to generate. The answer has the `n` whose tokens are the most likely on"
        " average. Not with `stream`.",
    )
    logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS, description="OpenAI allows at most 5.")
    echo: bool | None = Field(
        None, description="With `logprobs`, the answer also has the log-probabilities of the prompt."
    )

    @model_validator(mode="after")
    def _best_of_several(self) -> CompletionRequest:
        if self.best_of is None or self.best_of == (self.n or 1):
            return self
        wrong = "'best_of' must not be less than 'n'." if self.best_of < (self.n or 1) else None
        if self.stream:
            wrong = "'best_of' can't be had with 'stream': which are the best is known at the end."
        if wrong is not None:
            raise invalid("best_of", wrong)
        return self

    @model_validator(mode="after")
    def _fields_that_need_each_other(self) -> CompletionRequest:
        if self.logprob_token_ids is not None and self.logprobs is None:
            raise invalid("logprob_token_ids", "'logprob_token_ids' is only allowed with 'logprobs'.")
        return self

    @property
    def generated(self) -> int:
        """How many alternatives the engine makes for each prompt."""
        return self.best_of or self.n or 1

    @property
    def ranks(self) -> bool:
        """Whether more alternatives are generated than returned."""
        return self.generated > (self.n or 1)

    def prompts(self) -> list[str] | list[list[int]]:
        """The prompts, each a text or token ids; what stands alone as a list of one."""
        return [""] if self.prompt is None else as_list(self.prompt)

    def turn(self) -> Turn:
        """What the model is asked."""
        prompts = self.prompts()
        return Turn(
            "completions",
            prompts,
            self.sampling_params(),
            begins=self.prompt is None,
            limit=self.max_tokens,
            special_tokens=self.add_special_tokens,
            keep=self.truncate_prompt_tokens,
            keep_side=self.truncation_side,
            echoes_tokens=bool(self.echo) and (self.logprobs is not None or not isinstance(prompts[0], str)),
        )

    def sampling_params(self) -> SamplingParams:
        given = dict(super().sampling_params())
        if self.logprobs is not None:
            given["logprobs"] = self.logprobs
            if self.echo:
                given["echo"] = True
        if self.ranks:
            given["n"] = self.generated
            given.setdefault("logprobs", 0)
        return given


class CompletionLogprobs(Wire):
    tokens: list[str]
    token_logprobs: list[float | None] = Field(description="Null for the first token of an echoed prompt.")
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(AnswerChoice):
    text: str
    logprobs: CompletionLogprobs | None
    prompt_logprobs: PromptLogprobs | None = Field(None, exclude_if=is_none, description="vLLM's.")
    prompt_token_ids: list[int] | None = Field(None, exclude_if=is_none, description="vLLM's.")


class Completion(Answer[CompletionChoice]):
    object: Literal["text_completion"] = "text_completion"


class CompletionChunkChoice(ChunkChoice):
    text: str
    logprobs: CompletionLogprobs | None
    prompt_token_ids: list[int] | None = Field(None, exclude_if=is_none, description="vLLM's, in the first chunk.")


class CompletionChunk(Chunk[CompletionChunkChoice]):
    object: Literal["text_completion"] = "text_completion"
