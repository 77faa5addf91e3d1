"""Scores, ranks and classes: endpoints that OpenAI has not, where vLLM's own server has them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.apis.scoring.schema import (
    ClassifyRequest,
    ClassifyResponse,
    RerankRequest,
    RerankResponse,
    ScoreRequest,
    ScoreResponse,
)
from gateway.core import ServicesOf
from gateway.web.json_answer import ERRORS, json_answer
from gateway.web.json_route import JsonRoute

router = APIRouter(
    route_class=JsonRoute,
    responses=ERRORS,
)


@router.post("/score", response_model=None, include_in_schema=False)
@router.post("/v1/score", response_model=None, responses={200: {"model": ScoreResponse}})
async def score(request: ScoreRequest, http_request: Request, services: ServicesOf) -> Response:
    """Tell how well documents fit a query. Also `/score`."""
    return await json_answer(http_request, services.scoring.score(request))


@router.post("/rerank", response_model=None, include_in_schema=False)
@router.post("/v1/rerank", response_model=None, responses={200: {"model": RerankResponse}})
@router.post("/v2/rerank", response_model=None, include_in_schema=False)
async def rerank(request: RerankRequest, http_request: Request, services: ServicesOf) -> Response:
    """Order documents by how well they fit a query. Also `/rerank` and `/v2/rerank`."""
    return await json_answer(http_request, services.scoring.rerank(request))


@router.post("/classify", response_model=None, responses={200: {"model": ClassifyResponse}})
async def classify(request: ClassifyRequest, http_request: Request, services: ServicesOf) -> Response:
    """Tell the classes of texts."""
    return await json_answer(http_request, services.scoring.classify(request))
