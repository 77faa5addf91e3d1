"""A pooling model on `vllm_custom`: vectors, classes and scores, each request on a call of its own."""

from __future__ import annotations

import logging
from array import array
from contextlib import aclosing
from itertools import chain
from typing import Any

import numpy as np

from gateway.errors import InternalError
from gateway.ids import new_id
from gateway.pooling import PoolingRequest, Rows
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.records import KIND, read_records, to_error
from gateway.triton.tensors import VECTORS, envelope_request, output_bytes

log = logging.getLogger(__name__)


async def pool(client: TritonClient, model: str, request: PoolingRequest, *, timeout_s: float) -> Rows:
    """What the model makes of the inputs, a row each. Raises GatewayError."""
    async with aclosing(client.stream(_message(model, request, timeout_s), stall_timeout_s=timeout_s)) as responses:
        async for response in responses:
            for record in read_records(response):
                if record[KIND] == "error":
                    raise to_error(record)
                if record[KIND] == "result":
                    return _rows(model, record, response, request.rows)
    raise status.unavailable()


def _message(model: str, request: PoolingRequest, timeout_s: float) -> Any:
    """The ModelInferRequest of an op `embed`, `classify` or `score` (docs/contract.md)."""
    envelope: dict[str, Any] = {"op": request.op, "rid": new_id(), "timeout_ms": max(1, int(timeout_s * 1000))}
    if request.dimensions is not None:
        envelope["dimensions"] = request.dimensions
    if request.activation is not None:
        envelope["normalize"] = request.activation
    if request.query is not None:
        return envelope_request(model, {**envelope, "query": request.query, "documents": list(request.documents)})
    envelope["lengths"] = [len(row) for row in request.token_ids]
    return envelope_request(model, envelope, array("i", chain.from_iterable(request.token_ids)))


def _rows(model: str, record: list[Any], response: Any, rows: int) -> Rows:
    """The rows that a `result` announces. Raises InternalError when they are not what was asked for."""
    try:
        _, _, _, announced = record
        height, width = announced["shape"]
        tokens = announced["prompt_tokens"]
        values = np.frombuffer(output_bytes(response, VECTORS) or b"", dtype="<f4").reshape(height, width)
        if height != rows or width < 1 or type(tokens) is not int or tokens < 0:
            raise ValueError(f"{height} rows of {width} for {rows} inputs")
        if not np.isfinite(values).all():
            raise ValueError("a row with NaN or infinity, which JSON can't carry")
    except (IndexError, KeyError, TypeError, ValueError) as error:
        log.error("model %s does not follow the contract: %s", model, error)
        raise InternalError from error
    return Rows(values, tokens)
