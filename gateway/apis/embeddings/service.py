"""The embedding use case: texts or tokens to vectors, as lists or base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.dispatch.encoding import Encoder, Rows
from gateway.dispatch.pooling import Pooler
from gateway.errors import BadRequest, ModelNotFound
from gateway.models.catalog import Catalog
from gateway.models.kinds import EmbeddingModel, PoolingModel
from gateway.prompting.inputs import token_ids
from gateway.triton.pooling import Pooled


class EmbeddingService:
    """`/v1/embeddings`."""

    def __init__(self, catalog: Catalog, encoder: Encoder, pooler: Pooler) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._pooler = pooler

    async def create(self, request: EmbeddingRequest) -> bytes:
        """The response body as JSON, without a Python object per number. Raises GatewayError."""
        model = self._catalog.find(request.model)
        if isinstance(model, PoolingModel) and model.can("embed"):
            ids = await token_ids(model.tokenizer, request.inputs(), param="input")
            return _body(request.model, await self._pooler.embed(model, ids, request.dimensions), request)
        if isinstance(model, EmbeddingModel):
            ids = await token_ids(model.tokenizer, request.inputs(), param="input")
            return _body(request.model, await self._encode(model, ids, request.dimensions), request)
        raise ModelNotFound(request.model)

    async def _encode(self, model: EmbeddingModel, ids: list[list[int]], dimensions: int | None) -> Rows:
        rows = await self._encoder.encode(model, ids)
        width = rows.values.shape[1]
        if dimensions is not None and dimensions != width:
            raise BadRequest(
                f"This model gives vectors of {width} dimensions and no others.",
                param="dimensions",
                code="invalid_value",
            )
        return rows


def _body(model: str, rows: Rows | Pooled, request: EmbeddingRequest) -> bytes:
    as_base64 = request.encoding_format == "base64"
    vectors: list[Any] = [_base64(row) for row in rows.values] if as_base64 else list(rows.values)
    body = {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)],
        "model": model,
        "usage": {"prompt_tokens": rows.tokens, "total_tokens": rows.tokens},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _base64(row: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    """Little-endian float32, as the openai SDK asks for and reads."""
    return base64.b64encode(row.tobytes()).decode()
