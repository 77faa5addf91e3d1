"""`/v1/chat/completions`."""

from __future__ import annotations

from functools import partial

from fastapi import Request, Response

from gateway.apis.chat import service
from gateway.apis.chat.schema import ChatCompletion, ChatCompletionChunk, ChatCompletionRequest
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import json_answer
from gateway.web.sse import EventStream

router = json_router("/v1")
CHAT = Api(router, chunks=(ChatCompletionChunk,))


@router.post("/chat/completions", response_model=None, responses=documented.answer(ChatCompletion, ChatCompletionChunk))
async def chat_completions(request: ChatCompletionRequest, http_request: Request, core: CoreOf) -> Response:
    """Answer a conversation, streamed or whole."""
    if request.stream:
        return EventStream(partial(service.stream, core, request), ping_interval_s=core.settings.ping_interval_s)
    return await json_answer(http_request, service.complete(core, request))
