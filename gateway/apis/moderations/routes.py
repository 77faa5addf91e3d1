"""`/v1/moderations`."""

from __future__ import annotations

from fastapi import Request, Response

from gateway.apis.moderations import service
from gateway.apis.moderations.schema import ModerationRequest, ModerationResponse
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import json_answer

router = json_router("/v1")
MODERATIONS = Api(router)


@router.post("/moderations", response_model=None, responses=documented.answer(ModerationResponse))
async def moderations(request: ModerationRequest, http_request: Request, core: CoreOf) -> Response:
    """Judge whether texts are harmful."""
    return await json_answer(http_request, service.create(core, request))
