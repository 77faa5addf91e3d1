"""PyTorch models that turn token ids into one row of numbers a text: embedders and classifiers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from gateway.errors import InternalError
from gateway.tasks import run_all
from gateway.triton.client import TritonClient
from gateway.triton.tensors import rows_request, rows_response

log = logging.getLogger(__name__)

PAD_TO = 16
"""Lengths are rounded up to this: Triton's dynamic batcher only joins requests of equal shape."""


def pad(token_ids: Sequence[Sequence[int]], max_tokens: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Token ids and attention mask, INT64 [n, length], padded with zeros to the longest, rounded up.

    Never past `max_tokens` (where it is not 0): a model has no positions for more than its longest input.
    """
    longest = max(1, max(map(len, token_ids)))
    rounded = -(-longest // PAD_TO) * PAD_TO
    shape = (len(token_ids), max(longest, min(rounded, max_tokens or rounded)))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


async def encode(
    client: TritonClient,
    model: str,
    token_ids: Sequence[Sequence[int]],
    *,
    max_batch_size: int,
    max_tokens: int,
    timeout_s: float,
) -> npt.NDArray[np.float32]:
    """FP32 [n, width], a row for each text in order. Raises GatewayError.

    More texts than `max_batch_size` go in several requests at a time. Texts of like length share one, so that a long text
    does not make the short ones pay for its padding.
    """
    order = sorted(range(len(token_ids)), key=lambda row: len(token_ids[row]))
    groups = [order[start : start + max_batch_size] for start in range(0, len(order), max_batch_size)]
    batches = [pad([token_ids[row] for row in group], max_tokens) for group in groups]
    answers = await run_all(partial(_infer, client, model, *batch, timeout_s) for batch in batches)
    widths = {answer.shape[1] for answer in answers}
    if len(widths) != 1:
        log.error("model %s answered with rows of different widths: %s", model, sorted(widths))
        raise InternalError
    rows = np.concatenate(answers)
    in_order = np.empty_like(rows)
    in_order[order] = rows
    return in_order


async def _infer(
    client: TritonClient,
    model: str,
    ids: npt.NDArray[np.int64],
    mask: npt.NDArray[np.int64],
    timeout_s: float,
) -> npt.NDArray[np.float32]:
    response = await client.infer(rows_request(model, ids, mask), timeout_s=timeout_s)
    try:
        rows = rows_response(response)
        if len(rows) != len(ids):
            raise ValueError(f"{len(rows)} rows for {len(ids)} texts")
        if not np.isfinite(rows).all():
            raise ValueError("a row with NaN or infinity, which JSON can't carry")
    except ValueError as error:
        log.error("model %s does not follow the contract: %s", model, error)
        raise InternalError from error
    return rows
