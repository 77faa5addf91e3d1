"""What embeddings, scores and classes by vLLM do alike: one request of the contract, under a permit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import metrics
from gateway.dispatch.replicas import on_a_replica
from gateway.errors import ContextLengthExceeded
from gateway.limits.admission import Admission
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.models.kinds import PoolingModel
from gateway.triton import pooling
from gateway.triton.pooling import Op, Pooled


class Pooler:
    """Runs the pooling models."""

    def __init__(self, catalog: Catalog, admission: Admission, health: Health, *, timeout_s: float) -> None:
        self._catalog = catalog
        self._admission = admission
        self._health = health
        self._timeout_s = timeout_s

    async def embed(self, model: PoolingModel, token_ids: Sequence[Sequence[int]], dimensions: int | None) -> Pooled:
        """A vector for each input. Raises ContextLengthExceeded for one that is too long, and what else goes wrong."""
        keys = {} if dimensions is None else {"dimensions": dimensions}
        return await self._of_tokens(model, "embed", keys, token_ids)

    async def classify(self, model: PoolingModel, token_ids: Sequence[Sequence[int]]) -> Pooled:
        """A probability per label for each input. Raises as `embed`."""
        return await self._of_tokens(model, "classify", {}, token_ids)

    async def score(self, model: PoolingModel, query: str, documents: Sequence[str]) -> Pooled:
        """A number for each document: how well it fits the query. Raises GatewayError."""
        keys = {"query": query, "documents": list(documents)}
        return await self._ask(model, "score", keys, None, rows=len(documents))

    async def _of_tokens(
        self, model: PoolingModel, op: Op, keys: Mapping[str, Any], token_ids: Sequence[Sequence[int]]
    ) -> Pooled:
        longest = max(map(len, token_ids))
        if longest > model.context_length:
            raise ContextLengthExceeded(
                context_length=model.context_length, prompt_tokens=longest, max_tokens=None, param="input"
            )
        return await self._ask(model, op, keys, token_ids, rows=len(token_ids))

    async def _ask(
        self,
        model: PoolingModel,
        op: Op,
        keys: Mapping[str, Any],
        token_ids: Sequence[Sequence[int]] | None,
        *,
        rows: int,
    ) -> Pooled:
        with await self._admission.acquire() as permit:
            reservation = permit.reserve(sum(map(len, token_ids or ())))
            pooled = await on_a_replica(
                self._catalog,
                model.name,
                lambda client: pooling.pool(
                    client, model.name, op, keys, token_ids, rows=rows, timeout_s=self._timeout_s
                ),
            )
            if reservation is not None:
                reservation.used = pooled.tokens
        self._health.succeeded(model.name)
        metrics.labelled(metrics.PROMPT_TOKENS, model.name).inc(pooled.tokens)
        return pooled
