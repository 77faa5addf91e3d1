"""A pooling model on `vllm_custom`: vectors, classes and scores, each request on a call of its own."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.errors import InternalError
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.llm import new_rid
from gateway.triton.records import read_records, to_error
from gateway.triton.tensors import VECTORS, envelope_request, output_bytes

log = logging.getLogger(__name__)

Op = Literal["embed", "classify", "score"]


class Pooled(NamedTuple):
    """FP32 [n, width], a row for each input (or document) in order, and the tokens that they were made of."""

    values: npt.NDArray[np.float32]
    tokens: int


async def pool(
    client: TritonClient,
    model: str,
    op: Op,
    keys: Mapping[str, Any],
    token_ids: Sequence[Sequence[int]] | None = None,
    *,
    rows: int,
    timeout_s: float,
) -> Pooled:
    """What the model makes of its inputs: `keys` are those of the op in the contract, `token_ids` inputs that are tokenised
    already. Raises GatewayError."""
    envelope: dict[str, Any] = {"op": op, "rid": new_rid(), "timeout_ms": max(1, int(timeout_s * 1000)), **keys}
    prompt: array[int] | None = None
    if token_ids is not None:
        envelope["lengths"] = [len(row) for row in token_ids]
        prompt = array("i", chain.from_iterable(token_ids))
    request = envelope_request(model, envelope, prompt)
    async with aclosing(client.stream(request, stall_timeout_s=timeout_s)) as responses:
        async for response in responses:
            for record in read_records(response):
                if record[1] == "error":
                    raise to_error(record)
                if record[1] == "result":
                    return _pooled(model, record, response, rows)
    raise status.unavailable()


def _pooled(model: str, record: list[Any], response: Any, rows: int) -> Pooled:
    """The rows that a `result` announces. Raises InternalError when they are not what was asked for."""
    try:
        height, width = record[3]["shape"]
        tokens = record[3]["prompt_tokens"]
        values = np.frombuffer(output_bytes(response, VECTORS) or b"", dtype="<f4").reshape(height, width)
        if height != rows or width < 1 or type(tokens) is not int or tokens < 0:
            raise ValueError(f"{height} rows of {width} for {rows} inputs")
        if not np.isfinite(values).all():
            raise ValueError("a row with NaN or infinity, which JSON can't carry")
    except (IndexError, KeyError, TypeError, ValueError) as error:
        log.error("model %s does not follow the contract: %s", model, error)
        raise InternalError from error
    return Pooled(values, tokens)
