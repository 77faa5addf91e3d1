"""Embedders: PyTorch models that say `openai_task: embedding`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from gateway.errors import BadRequest
from gateway.models.encoder import EncoderModel
from gateway.models.served import ModelSource
from gateway.pooling import Op, PoolingRequest, Rows


@dataclass(frozen=True, slots=True)
class EmbeddingModel(EncoderModel):
    """Its rows are vectors, of a width of its own."""

    kind: ClassVar[str] = "embedding"
    task: ClassVar[str] = "embedding"
    files: ClassVar[frozenset[str]] = frozenset({"tokenizer.json"})

    @classmethod
    def load(cls, source: ModelSource) -> Self:
        found = source.discovered
        return cls(found.name, source.created, source.tokenizer(), found.max_tokens, found.max_batch_size)

    def check_rows(self, request: PoolingRequest, rows: Rows) -> None:
        width = rows.values.shape[1]
        if request.dimensions not in (None, width):
            raise BadRequest(
                f"This model gives vectors of {width} dimensions and no others.",
                param="dimensions",
                code="invalid_value",
            )

    @property
    def ops(self) -> frozenset[Op]:
        return frozenset({"embed"})
