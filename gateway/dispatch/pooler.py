"""Vectors, classes and scores: one request to whichever model makes rows of numbers, on a Triton that has it."""

from __future__ import annotations

from gateway import request_record
from gateway.dispatch.replicas import on_a_replica
from gateway.limits.admission import Permit
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.models.rows import RowsModel
from gateway.pooling import PoolingRequest, Rows


class Pooler:
    """Runs the requests of embeddings, moderations, scores and classes, and counts what they use."""

    def __init__(self, catalog: Catalog, health: Health, *, timeout_s: float) -> None:
        self._catalog = catalog
        self._health = health
        self._timeout_s = timeout_s

    async def pool(self, model: RowsModel, request: PoolingRequest, permit: Permit) -> Rows:
        """A row for each input. Several calls may share a `permit`, which proves that the request was admitted.

        Raises BadRequest for what the model can't take, and GatewayError for what else goes wrong.
        """
        model.check(request)
        reservation = permit.reserve(request.tokens)
        rows = await on_a_replica(
            self._catalog, model.name, lambda client: model.pool(client, request, timeout_s=self._timeout_s)
        )
        if reservation is not None:
            reservation.used = rows.tokens
        self._health.succeeded(model.name)
        request_record.current().used(model.name, prompt_tokens=rows.tokens)
        model.check_rows(request, rows)
        return rows
