"""`/v1/embeddings`, as OpenAI documents it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from gateway.packing import ByteOrder, NumberType
from gateway.wire.common import NonEmptyStr, PromptUsage, Wire
from gateway.wire.inputs import MAX_INPUTS, TokenIds, as_list, kind_of_inputs
from gateway.wire.pooling import TokenizedBody

EmbeddingInput = Annotated[
    Annotated[NonEmptyStr, Tag("text")]
    | Annotated[list[NonEmptyStr], Field(min_length=1, max_length=MAX_INPUTS), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_INPUTS), Tag("token_arrays")],
    Discriminator(kind_of_inputs),
]


class EmbeddingRequest(TokenizedBody):
    default_model = "default_embedding_model"

    model: NonEmptyStr
    input: EmbeddingInput
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(
        None, ge=1, description="The model's own number of dimensions; fewer only if the model can shorten its vectors."
    )

    use_activation: bool | None = Field(
        None,
        description="vLLM's: whether vectors are brought to length one, for models on vLLM; other models refuse it.",
    )
    embed_dtype: NumberType | None = Field(
        None, description="vLLM's: the type of the numbers with `encoding_format: base64`; default `float32`."
    )
    endianness: ByteOrder | None = Field(
        None, description="vLLM's: the order of their bytes; default `native`, which is `little`."
    )

    def inputs(self) -> list[str] | list[list[int]]:
        """The inputs, each a text or a list of token ids; a single input as a list of one."""
        return as_list(self.input)


class EmbeddingObject(Wire):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(
        description="A list of numbers; with `encoding_format: base64`, little-endian float32 in base64,"
        " unless `embed_dtype` or `endianness` asks for something else."
    )


class EmbeddingResponse(Wire):
    object: Literal["list"] = "list"
    data: list[EmbeddingObject]
    model: str
    usage: PromptUsage
