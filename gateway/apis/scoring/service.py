"""The use cases of scores and classes: how well documents fit a query, and what an input is."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence

from gateway.apis.scoring.schema import (
    Classified,
    ClassifyRequest,
    ClassifyResponse,
    Ranked,
    RankedDocument,
    RerankRequest,
    RerankResponse,
    Score,
    ScoreRequest,
    ScoreResponse,
)
from gateway.dispatch.pooling import Pooler
from gateway.errors import BadRequest, GatewayError, ModelNotFound
from gateway.models.catalog import Catalog
from gateway.models.kinds import PoolingModel
from gateway.prompting.inputs import token_ids
from gateway.triton.pooling import Op, Pooled
from gateway.wire.common import PromptUsage

MAX_PAIRS = 128
"""Queries that have a document each: every pair is a request to the engine."""


class ScoringService:
    """`/score`, `/rerank` and `/classify`."""

    def __init__(self, catalog: Catalog, pooler: Pooler) -> None:
        self._catalog = catalog
        self._pooler = pooler

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """A number for each pair. Raises GatewayError."""
        model = self._model(request.model, "score")
        queries, documents = request.pairs()
        pooled = [await self._pooler.score(model, queries[0], documents)] if len(queries) == 1 else []
        if not pooled:
            pooled = await self._score_pairs(model, queries, documents)
        scores = [float(value) for each in pooled for value in each.values[:, 0]]
        data = [Score(index=index, score=score) for index, score in enumerate(scores)]
        return ScoreResponse(
            id=f"score-{secrets.token_hex(16)}",
            created=int(time.time()),
            model=model.name,
            data=data,
            usage=_usage(pooled),
        )

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """The documents, those that fit best first. Raises GatewayError."""
        model = self._model(request.model, "score")
        documents = request.texts()
        pooled = await self._pooler.score(model, request.query, documents)
        scores = [float(value) for value in pooled.values[:, 0]]
        order = sorted(range(len(documents)), key=lambda index: -scores[index])[: request.top_n or None]
        with_text = request.return_documents is not False
        results = [
            Ranked(
                index=index,
                document=RankedDocument(text=documents[index]) if with_text else None,
                relevance_score=scores[index],
            )
            for index in order
        ]
        return RerankResponse(
            id=f"rerank-{secrets.token_hex(16)}", model=model.name, usage=_usage([pooled]), results=results
        )

    async def classify(self, request: ClassifyRequest) -> ClassifyResponse:
        """The classes of each input, with their probabilities. Raises GatewayError."""
        model = self._model(request.model, "classify")
        ids = await token_ids(model.tokenizer, request.inputs(), param="input")
        pooled = await self._pooler.classify(model, ids)
        data = [_classified(index, row.tolist(), model.labels) for index, row in enumerate(pooled.values)]
        return ClassifyResponse(
            id=f"classify-{secrets.token_hex(16)}",
            created=int(time.time()),
            model=model.name,
            data=data,
            usage=_usage([pooled]),
        )

    async def _score_pairs(self, model: PoolingModel, queries: list[str], documents: list[str]) -> list[Pooled]:
        if len(queries) != len(documents):
            raise BadRequest(
                "There must be one query, or as many queries as documents.", param="queries", code="invalid_value"
            )
        if len(queries) > MAX_PAIRS:
            raise BadRequest(
                f"At most {MAX_PAIRS} queries can be scored at a time.", param="queries", code="invalid_value"
            )
        try:
            async with asyncio.TaskGroup() as tasks:  # the first error ends the others
                pairs = zip(queries, documents, strict=True)
                answers = [tasks.create_task(self._pooler.score(model, query, [text])) for query, text in pairs]
        except* GatewayError as errors:
            raise errors.exceptions[0] from None
        return [answer.result() for answer in answers]

    def _model(self, name: str, task: Op) -> PoolingModel:
        model = self._catalog.find(name)
        if not isinstance(model, PoolingModel) or not model.can(task):
            raise ModelNotFound(name)
        return model


def _classified(index: int, probabilities: list[float], labels: Sequence[str]) -> Classified:
    likeliest = max(range(len(probabilities)), key=lambda number: probabilities[number])
    label = labels[likeliest] if len(labels) == len(probabilities) else None
    return Classified(index=index, label=label, probs=probabilities, num_classes=len(probabilities))


def _usage(pooled: Sequence[Pooled]) -> PromptUsage:
    tokens = sum(each.tokens for each in pooled)
    return PromptUsage(prompt_tokens=tokens, total_tokens=tokens)
