"""What embeddings and moderations by PyTorch models do alike: texts to rows of numbers, under a permit."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gateway import metrics
from gateway.dispatch.replicas import on_a_replica
from gateway.errors import ContextLengthExceeded
from gateway.limits.admission import Admission
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.models.kinds import EmbeddingModel, ModerationModel
from gateway.triton import encoder
from gateway.triton.client import TritonClient


class Rows(NamedTuple):
    """FP32 [n, width], a row a text, and the tokens that they were made of."""

    values: npt.NDArray[np.float32]
    tokens: int


class Encoder:
    """Runs the PyTorch models."""

    def __init__(self, catalog: Catalog, admission: Admission, health: Health, *, timeout_s: float) -> None:
        self._catalog = catalog
        self._admission = admission
        self._health = health
        self._timeout_s = timeout_s

    async def encode(self, model: EmbeddingModel | ModerationModel, token_ids: Sequence[Sequence[int]]) -> Rows:
        """A row for each text. Raises ContextLengthExceeded for a text too long, and what else goes wrong."""
        longest = max(map(len, token_ids))
        if model.max_tokens and longest > model.max_tokens:
            raise ContextLengthExceeded(
                context_length=model.max_tokens, prompt_tokens=longest, max_tokens=None, param="input"
            )
        tokens = sum(map(len, token_ids))
        with await self._admission.acquire() as permit:
            reservation = permit.reserve(tokens)
            rows = await on_a_replica(self._catalog, model.name, lambda client: self._encode(client, model, token_ids))
            if reservation is not None:
                reservation.used = tokens
        self._health.succeeded(model.name)
        metrics.labelled(metrics.PROMPT_TOKENS, model.name).inc(tokens)
        return Rows(rows, tokens)

    def _encode(
        self, client: TritonClient, model: EmbeddingModel | ModerationModel, token_ids: Sequence[Sequence[int]]
    ) -> Awaitable[npt.NDArray[np.float32]]:
        return encoder.encode(
            client,
            model.name,
            token_ids,
            max_batch_size=model.max_batch_size,
            max_tokens=model.max_tokens,
            timeout_s=self._timeout_s,
        )
