"""PyTorch models that turn token ids into one row of numbers a text: embedders and classifiers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gateway.errors import GatewayError, InternalError
from gateway.triton.client import TritonClient
from gateway.triton.tensors import rows_request, rows_response

log = logging.getLogger(__name__)

PAD_TO = 16
"""Lengths are rounded up to this: Triton's dynamic batcher only joins requests of equal shape."""


def pad(token_ids: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Token ids and attention mask, INT64 [n, length], padded with zeros to the longest, rounded up."""
    longest = max(1, max(map(len, token_ids)))
    shape = (len(token_ids), -(-longest // PAD_TO) * PAD_TO)
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


async def encode(
    client: TritonClient, model: str, token_ids: Sequence[Sequence[int]], *, max_batch_size: int, timeout_s: float
) -> npt.NDArray[np.float32]:
    """FP32 [n, width], a row for each text in order. Raises GatewayError.

    More texts than `max_batch_size` go in several requests at a time. Texts of like length share one, so that a long text
    does not make the short ones pay for its padding.
    """
    order = sorted(range(len(token_ids)), key=lambda row: len(token_ids[row]))
    groups = [order[start : start + max_batch_size] for start in range(0, len(order), max_batch_size)]
    batches = [[token_ids[row] for row in group] for group in groups]
    if len(batches) == 1:
        rows = await _infer(client, model, batches[0], timeout_s)
    else:
        rows = await _infer_all(client, model, batches, timeout_s)
    in_order = np.empty_like(rows)
    in_order[order] = rows
    return in_order


async def _infer_all(
    client: TritonClient, model: str, batches: Sequence[Sequence[Sequence[int]]], timeout_s: float
) -> npt.NDArray[np.float32]:
    """All batches at a time; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(_infer(client, model, batch, timeout_s)) for batch in batches]
    except* GatewayError as errors:
        raise errors.exceptions[0] from None
    return np.concatenate([answer.result() for answer in answers])


async def _infer(
    client: TritonClient, model: str, token_ids: Sequence[Sequence[int]], timeout_s: float
) -> npt.NDArray[np.float32]:
    response = await client.infer(rows_request(model, *pad(token_ids)), timeout_s=timeout_s)
    try:
        rows = rows_response(response)
    except ValueError as error:
        log.error("model %s does not follow the contract: %s", model, error)
        raise InternalError from error
    if len(rows) != len(token_ids):
        log.error("model %s answered %d rows for %d texts", model, len(rows), len(token_ids))
        raise InternalError
    return rows
