"""The embedding use case: texts or tokens to vectors, as lists or base64."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.core import Core
from gateway.packing import packed
from gateway.pooling import PoolingRequest, Rows
from gateway.prompting.cutting import pooling_ids


async def create(core: Core, request: EmbeddingRequest) -> bytes:
    """The response body as JSON, without a Python object per number. Raises GatewayError."""
    model = core.catalog.making(request.model, "embed")
    ids = await pooling_ids(
        model.tokenizer, request.inputs(), request.tokenizing, longest=model.max_model_len, param="input"
    )
    asked = PoolingRequest("embed", ids, request.dimensions, activation=request.use_activation)
    with await core.admission.acquire() as permit:
        rows = await core.pooler.pool(model, asked, permit)
    return _body(request, rows)


def _body(request: EmbeddingRequest, rows: Rows) -> bytes:
    vectors: list[Any] = list(rows.values)
    if request.encoding_format == "base64":
        vectors = packed(rows.values, request.embed_dtype or "float32", request.endianness or "native")
    body = {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)],
        "model": request.model,
        "usage": {"prompt_tokens": rows.tokens, "total_tokens": rows.tokens},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
