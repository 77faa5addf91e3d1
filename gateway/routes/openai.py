"""OpenAI's endpoints: the request is parsed, a service does the work, the answer is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from gateway import metrics
from gateway.routes.dependencies import ServicesOf
from gateway.routes.disconnect import ClientDisconnected, cancelled_by_disconnect
from gateway.routes.sse import EventStream
from gateway.routes.strict_json import StrictJsonRoute
from gateway.schemas.chat import ChatCompletion, ChatCompletionRequest
from gateway.schemas.common import ErrorResponse, ModelCard, ModelList, Wire
from gateway.schemas.completions import Completion, CompletionRequest
from gateway.schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from gateway.schemas.moderations import ModerationRequest, ModerationResponse
from gateway.services.answers import ChunkBatches
from gateway.services.models import EmbeddingModel, GeneratingModel, ModerationModel, ServedModel

router = APIRouter(
    prefix="/v1",
    route_class=StrictJsonRoute,
    responses={
        "default": {"model": ErrorResponse, "description": "OpenAI's error envelope, for every error status."},
    },
)

T = TypeVar("T")

_CLIENT_LEFT = 499  # nginx's number for it; it is seen in metrics and logs only


def _body(model: type[Wire], *, streams: bool = False) -> dict[int | str, dict[str, Any]]:
    """How the answer of an endpoint is documented. Bodies are written by the handlers: see `Wire`."""
    content: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}} if streams else {}
    return {200: {"model": model, "content": content}}


async def _unless_left(http_request: Request, work: Awaitable[T], respond: Callable[[T], Response]) -> Response:
    """The response to `work`, which is cancelled when the client leaves before it is done."""
    try:
        async with cancelled_by_disconnect(http_request.receive):
            return respond(await work)
    except ClientDisconnected:
        metrics.DISCONNECTS.labels(http_request.scope["route"].path).inc()
        return Response(status_code=_CLIENT_LEFT)


def _json(answer: Wire) -> Response:
    return Response(answer.model_dump_json(exclude_none=False), media_type="application/json")


@router.post("/chat/completions", response_model=None, responses=_body(ChatCompletion, streams=True))
async def chat_completions(request: ChatCompletionRequest, http_request: Request, services: ServicesOf) -> Response:
    """Answer a conversation, streamed or whole."""
    if request.stream:
        return await _unless_left(http_request, services.chat.stream(request), _event_stream(services))
    return await _unless_left(http_request, services.chat.complete(request), _json)


@router.post("/completions", response_model=None, responses=_body(Completion, streams=True))
async def completions(request: CompletionRequest, http_request: Request, services: ServicesOf) -> Response:
    """Continue one prompt or several, streamed or whole."""
    if request.stream:
        return await _unless_left(http_request, services.completions.stream(request), _event_stream(services))
    return await _unless_left(http_request, services.completions.complete(request), _json)


@router.post("/embeddings", response_model=None, responses=_body(EmbeddingResponse))
async def embeddings(request: EmbeddingRequest, http_request: Request, services: ServicesOf) -> Response:
    """Turn texts into vectors."""
    return await _unless_left(
        http_request,
        services.embeddings.create(request),
        lambda body: Response(body, media_type="application/json"),
    )


@router.post("/moderations", response_model=None, responses=_body(ModerationResponse))
async def moderations(request: ModerationRequest, http_request: Request, services: ServicesOf) -> Response:
    """Judge whether texts are harmful."""
    return await _unless_left(http_request, services.moderations.create(request), _json)


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


def _event_stream(services: ServicesOf) -> Callable[[ChunkBatches], Response]:
    return lambda batches: EventStream(batches, ping_interval_s=services.settings.ping_interval_s)
