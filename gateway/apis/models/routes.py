"""OpenAI's endpoints: the request is parsed, a service does the work, the answer is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.apis.chat.schema import ChatCompletion, ChatCompletionChunk, ChatCompletionRequest
from gateway.apis.completions.schema import Completion, CompletionChunk, CompletionRequest
from gateway.apis.embeddings.schema import EmbeddingRequest, EmbeddingResponse
from gateway.apis.moderations.schema import ModerationRequest, ModerationResponse
from gateway.core import Services, ServicesOf
from gateway.dispatch.answering import ChunkSink
from gateway.models.kinds import EmbeddingModel, GeneratingModel, ModerationModel, ServedModel
from gateway.web.documented import schema_of_events
from gateway.web.json_answer import ERRORS, json_answer, unless_left
from gateway.web.json_route import JsonRoute
from gateway.web.sse import EventStream
from gateway.wire.common import ModelCard, ModelList, Wire

router = APIRouter(
    prefix="/v1",
    route_class=JsonRoute,
    responses=ERRORS,
)


def _body(model: type[Wire], chunk: type[Wire] | None = None) -> dict[int | str, dict[str, Any]]:
    """How the answer of an endpoint is documented. Bodies are written by the handlers: see `Wire`."""
    content: dict[str, Any] = {} if chunk is None else {"text/event-stream": {"schema": schema_of_events(chunk)}}
    return {200: {"model": model, "content": content}}


@router.post("/chat/completions", response_model=None, responses=_body(ChatCompletion, ChatCompletionChunk))
async def chat_completions(request: ChatCompletionRequest, http_request: Request, services: ServicesOf) -> Response:
    """Answer a conversation, streamed or whole."""
    if request.stream:
        return _events(services, partial(services.chat.stream, request))
    return await json_answer(http_request, services.chat.complete(request))


@router.post("/completions", response_model=None, responses=_body(Completion, CompletionChunk))
async def completions(request: CompletionRequest, http_request: Request, services: ServicesOf) -> Response:
    """Continue one prompt or several, streamed or whole."""
    if request.stream:
        return _events(services, partial(services.completions.stream, request))
    return await json_answer(http_request, services.completions.complete(request))


@router.post("/embeddings", response_model=None, responses=_body(EmbeddingResponse))
async def embeddings(request: EmbeddingRequest, http_request: Request, services: ServicesOf) -> Response:
    """Turn texts into vectors."""
    body = await unless_left(http_request, services.embeddings.create(request))
    return Response(body, media_type="application/json")


@router.post("/moderations", response_model=None, responses=_body(ModerationResponse))
async def moderations(request: ModerationRequest, http_request: Request, services: ServicesOf) -> Response:
    """Judge whether texts are harmful."""
    return await json_answer(http_request, services.moderations.create(request))


@router.get("/models", response_model=ModelList)
async def list_models(services: ServicesOf) -> ModelList:
    """All models that the key may use, under all their names."""
    return ModelList(data=[_card(name, model) for name, model in services.catalog.offered().items()])


@router.get("/models/{model:path}", response_model=ModelCard)
async def retrieve_model(model: str, services: ServicesOf) -> ModelCard:
    """One of them."""
    return _card(model, services.catalog.find(model))


def _card(name: str, model: ServedModel) -> ModelCard:
    by_pytorch = isinstance(model, (EmbeddingModel, ModerationModel))
    return ModelCard(
        id=name,
        created=model.created,
        root=model.name,
        parent=model.base if isinstance(model, GeneratingModel) else None,
        max_model_len=model.max_tokens or None if by_pytorch else model.context_length,
    )


def _events(services: Services, work: Callable[[ChunkSink], Awaitable[list[bytes]]]) -> Response:
    return EventStream(work, ping_interval_s=services.settings.ping_interval_s)
