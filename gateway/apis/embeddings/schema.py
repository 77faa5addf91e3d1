"""`/v1/embeddings`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from gateway.wire.common import NonEmptyStr, PromptUsage, Refused, RequestBody, Wire
from gateway.wire.inputs import MAX_INPUTS, TokenIds, as_list, kind_of_inputs

EmbeddingInput = Annotated[
    Annotated[NonEmptyStr, Tag("text")]
    | Annotated[list[NonEmptyStr], Field(min_length=1, max_length=MAX_INPUTS), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_INPUTS), Tag("token_arrays")],
    Discriminator(kind_of_inputs),
]


class EmbeddingRequest(RequestBody):
    hints: ClassVar[Mapping[str, str]] = {
        "user": "the gateway does not distinguish users",
        "priority": "inputs do not wait for other inputs",
    }
    refused: ClassVar[Mapping[str, Refused]] = {
        "truncate_prompt_tokens": Refused("inputs that are too long are refused, not truncated"),
        "messages": Refused("inputs are texts or token ids"),
    }

    default_model = "default_embedding_model"

    model: NonEmptyStr
    input: EmbeddingInput
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(
        None, ge=1, description="The model's own number of dimensions; fewer only if the model can shorten its vectors."
    )

    def inputs(self) -> list[str] | list[list[int]]:
        """The inputs, each a text or a list of token ids; a single input as a list of one."""
        return as_list(self.input)


class EmbeddingObject(Wire):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(
        description="A list of numbers; with `encoding_format: base64`, little-endian float32 in base64."
    )


class EmbeddingResponse(Wire):
    object: Literal["list"] = "list"
    data: list[EmbeddingObject]
    model: str
    usage: PromptUsage
