"""`/v1/embeddings`."""

from __future__ import annotations

from fastapi import Request, Response

from gateway.apis.embeddings import service
from gateway.apis.embeddings.schema import EmbeddingRequest, EmbeddingResponse
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import unless_left

router = json_router("/v1")
EMBEDDINGS = Api(router)


@router.post("/embeddings", response_model=None, responses=documented.answer(EmbeddingResponse))
async def embeddings(request: EmbeddingRequest, http_request: Request, core: CoreOf) -> Response:
    """Turn texts into vectors."""
    body = await unless_left(http_request, service.create(core, request))
    return Response(body, media_type="application/json")
