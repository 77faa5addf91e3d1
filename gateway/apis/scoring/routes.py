"""`/score`, `/rerank` and `/classify`: endpoints that OpenAI has not, where vLLM's own server has them."""

from __future__ import annotations

from fastapi import Request, Response

from gateway.apis.scoring import service
from gateway.apis.scoring.schema import (
    ClassifyRequest,
    ClassifyResponse,
    RerankRequest,
    RerankResponse,
    ScoreRequest,
    ScoreResponse,
)
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import json_answer

router = json_router()
SCORING = Api(router)


@router.post("/score", response_model=None, include_in_schema=False)
@router.post("/v1/score", response_model=None, responses=documented.answer(ScoreResponse))
async def score(request: ScoreRequest, http_request: Request, core: CoreOf) -> Response:
    """Tell how well documents fit a query. Also `/score`."""
    return await json_answer(http_request, service.score(core, request))


@router.post("/rerank", response_model=None, include_in_schema=False)
@router.post("/v1/rerank", response_model=None, responses=documented.answer(RerankResponse))
@router.post("/v2/rerank", response_model=None, include_in_schema=False)
async def rerank(request: RerankRequest, http_request: Request, core: CoreOf) -> Response:
    """Order documents by how well they fit a query. Also `/rerank` and `/v2/rerank`."""
    return await json_answer(http_request, service.rerank(core, request))


@router.post("/classify", response_model=None, responses=documented.answer(ClassifyResponse))
async def classify(request: ClassifyRequest, http_request: Request, core: CoreOf) -> Response:
    """Tell the classes of texts."""
    return await json_answer(http_request, service.classify(core, request))
