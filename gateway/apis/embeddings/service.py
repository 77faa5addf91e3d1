"""The embedding use case: texts or tokens to vectors, as lists or base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.core import Core
from gateway.pooling import PoolingRequest, Rows
from gateway.prompting.inputs import token_ids


async def create(core: Core, request: EmbeddingRequest) -> bytes:
    """The response body as JSON, without a Python object per number. Raises GatewayError."""
    model = core.catalog.making(request.model, "embed")
    ids = await token_ids(model.tokenizer, request.inputs(), param="input")
    with await core.admission.acquire() as permit:
        rows = await core.pooler.pool(model, PoolingRequest("embed", ids, request.dimensions), permit)
    return _body(request, rows)


def _body(request: EmbeddingRequest, rows: Rows) -> bytes:
    as_base64 = request.encoding_format == "base64"
    vectors: list[Any] = [_base64(row) for row in rows.values] if as_base64 else list(rows.values)
    body = {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)],
        "model": request.model,
        "usage": {"prompt_tokens": rows.tokens, "total_tokens": rows.tokens},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _base64(row: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    """Little-endian float32, as the openai SDK asks for and reads."""
    return base64.b64encode(row.tobytes()).decode()
