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
    hints: ClassVar[Mapping[str, str]] = {"user": "nobody is told apart by it", "priority": "inputs wait for no others"}
    refused: ClassVar[Mapping[str, Refused]] = {
        "truncate_prompt_tokens": Refused("what is too long is refused, not cut"),
        "messages": Refused("inputs are texts or token ids"),
    }

    default_model = "default_embedding_model"

    model: NonEmptyStr
    input: EmbeddingInput
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1, description="Only the model's own number.")

    def inputs(self) -> list[str] | list[list[int]]:
        """The inputs, each a text or token ids; what stands alone as a list of one."""
        return as_list(self.input)


class EmbeddingObject(Wire):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="A list, or with `encoding_format: base64` little-endian float32.")


class EmbeddingResponse(Wire):
    object: Literal["list"] = "list"
    data: list[EmbeddingObject]
    model: str
    usage: PromptUsage
