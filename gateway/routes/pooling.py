"""Scores, ranks and classes: endpoints that OpenAI has not, where vLLM's own server has them."""

from __future__ import annotations

from collections.abc import Awaitable

from fastapi import APIRouter, Request, Response

from gateway.routes.dependencies import ServicesOf
from gateway.routes.disconnect import CancelledByDisconnect
from gateway.routes.json_route import JsonRoute
from gateway.schemas.common import ErrorResponse, Wire
from gateway.schemas.pooling import (
    ClassifyRequest,
    ClassifyResponse,
    RerankRequest,
    RerankResponse,
    ScoreRequest,
    ScoreResponse,
)

router = APIRouter(
    route_class=JsonRoute,
    responses={
        "default": {"model": ErrorResponse, "description": "OpenAI's error envelope, for every error status."},
    },
)


async def _answer(http_request: Request, work: Awaitable[Wire]) -> Response:
    """The answer as JSON; the work is cancelled when the client leaves before it is done."""
    async with CancelledByDisconnect(http_request.receive):
        answer = await work
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post("/score", response_model=None, include_in_schema=False)
@router.post("/v1/score", response_model=None, responses={200: {"model": ScoreResponse}})
async def score(request: ScoreRequest, http_request: Request, services: ServicesOf) -> Response:
    """Tell how well documents fit a query. Also `/score`."""
    return await _answer(http_request, services.scoring.score(request))


@router.post("/rerank", response_model=None, include_in_schema=False)
@router.post("/v1/rerank", response_model=None, responses={200: {"model": RerankResponse}})
@router.post("/v2/rerank", response_model=None, include_in_schema=False)
async def rerank(request: RerankRequest, http_request: Request, services: ServicesOf) -> Response:
    """Order documents by how well they fit a query. Also `/rerank` and `/v2/rerank`."""
    return await _answer(http_request, services.scoring.rerank(request))


@router.post("/classify", response_model=None, responses={200: {"model": ClassifyResponse}})
async def classify(request: ClassifyRequest, http_request: Request, services: ServicesOf) -> Response:
    """Tell the classes of texts."""
    return await _answer(http_request, services.scoring.classify(request))
