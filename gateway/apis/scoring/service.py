"""The use cases of scores and classes: how well documents fit a query, and what an input is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

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
from gateway.core import Core
from gateway.errors import BadRequest, ModelNotFound
from gateway.ids import new_id
from gateway.limits.admission import Permit
from gateway.models.pooling import PoolingModel
from gateway.models.rows import RowsModel
from gateway.pooling import PoolingRequest, Rows
from gateway.prompting.cutting import pooling_ids
from gateway.tasks import run_all
from gateway.wire.common import PromptUsage

MAX_PAIRS: Final = 128
"""Queries that have a document each: every pair is a request to the engine."""

PAIRS_AT_A_TIME: Final = 16
"""Of one request, which has one permit whatever it asks for."""


async def score(core: Core, request: ScoreRequest) -> ScoreResponse:
    """A number for each pair. Raises GatewayError."""
    model = core.catalog.making(request.model, "score")
    queries, documents = request.pairs()
    _check_pairs(queries, documents)
    with await core.admission.acquire() as permit:
        if len(queries) == 1:
            rows = [await _score(core, model, permit, queries[0], documents, request.use_activation)]
        else:
            rows = await run_all(
                (
                    partial(_score, core, model, permit, query, [document], request.use_activation)
                    for query, document in zip(queries, documents, strict=True)
                ),
                at_most=PAIRS_AT_A_TIME,
            )
    scores = [float(value) for each in rows for value in each.values[:, 0]]
    data = [Score(index=index, score=score) for index, score in enumerate(scores)]
    return ScoreResponse(id=new_id("score-"), created=int(time.time()), model=model.name, data=data, usage=_usage(rows))


async def rerank(core: Core, request: RerankRequest) -> RerankResponse:
    """The documents, those that fit best first. Raises GatewayError."""
    model = core.catalog.making(request.model, "score")
    documents = request.texts()
    with await core.admission.acquire() as permit:
        rows = await _score(core, model, permit, request.query, documents, request.use_activation)
    scores = [float(value) for value in rows.values[:, 0]]
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
    return RerankResponse(id=new_id("rerank-"), model=model.name, usage=_usage([rows]), results=results)


async def classify(core: Core, request: ClassifyRequest) -> ClassifyResponse:
    """The classes of each input, with their probabilities. Raises GatewayError."""
    model = core.catalog.get(request.model, PoolingModel)
    if "classify" not in model.ops:
        raise ModelNotFound(request.model)
    ids = await pooling_ids(
        model.tokenizer, request.inputs(), request.tokenizing, longest=model.max_model_len, param="input"
    )
    asked = PoolingRequest("classify", ids, activation=request.use_activation)
    with await core.admission.acquire() as permit:
        rows = await core.pooler.pool(model, asked, permit)
    data = [_classified(index, row.tolist(), model.labels) for index, row in enumerate(rows.values)]
    return ClassifyResponse(
        id=new_id("classify-"), created=int(time.time()), model=model.name, data=data, usage=_usage([rows])
    )


async def _score(
    core: Core, model: RowsModel, permit: Permit, query: str, documents: Sequence[str], activation: bool | None
) -> Rows:
    asked = PoolingRequest("score", query=query, documents=documents, activation=activation)
    return await core.pooler.pool(model, asked, permit)


def _check_pairs(queries: Sequence[str], documents: Sequence[str]) -> None:
    """Raises BadRequest where several queries can't be paired with the documents."""
    if len(queries) == 1:
        return
    if len(queries) != len(documents):
        raise BadRequest(
            "There must be one query, or as many queries as documents.", param="queries", code="invalid_value"
        )
    if len(queries) > MAX_PAIRS:
        raise BadRequest(f"At most {MAX_PAIRS} queries can be scored at a time.", param="queries", code="invalid_value")


def _classified(index: int, probabilities: list[float], labels: Sequence[str]) -> Classified:
    likeliest = max(range(len(probabilities)), key=lambda number: probabilities[number])
    label = labels[likeliest] if len(labels) == len(probabilities) else None
    return Classified(index=index, label=label, probs=probabilities, num_classes=len(probabilities))


def _usage(rows: Sequence[Rows]) -> PromptUsage:
    tokens = sum(each.tokens for each in rows)
    return PromptUsage(prompt_tokens=tokens, total_tokens=tokens)
