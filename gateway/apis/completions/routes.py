"""`/v1/completions`."""

from __future__ import annotations

from functools import partial

from fastapi import Request, Response

from gateway.apis.completions import service
from gateway.apis.completions.schema import Completion, CompletionChunk, CompletionRequest
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import json_answer
from gateway.web.sse import EventStream

router = json_router("/v1")
COMPLETIONS = Api(router, chunks=(CompletionChunk,))


@router.post("/completions", response_model=None, responses=documented.answer(Completion, CompletionChunk))
async def completions(request: CompletionRequest, http_request: Request, core: CoreOf) -> Response:
    """Continue one prompt or several, streamed or whole."""
    if request.stream:
        return EventStream(partial(service.stream, core, request), ping_interval_s=core.settings.ping_interval_s)
    return await json_answer(http_request, service.complete(core, request))
