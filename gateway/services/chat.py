"""The chat use case: messages to a prompt, the prompt to an answer, streamed or whole."""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import Any

from gateway.chat.chunks import AnswerHead
from gateway.chat.stream import ChatFold, ChatStream
from gateway.errors import BadRequest
from gateway.generation import GenerationRequest, Messages
from gateway.schemas.chat import ChatCompletion, ChatCompletionRequest
from gateway.schemas.tools import for_template
from gateway.services.answers import Answers, ChunkSink
from gateway.services.catalog import Catalog
from gateway.services.dispatch import Dispatcher
from gateway.services.images import Images
from gateway.services.models import GeneratingModel
from gateway.services.prompts import completion_limit
from gateway.services.unrendered import images_of, numbered_messages, template_fields
from gateway.triton.llm import new_rid


class ChatService:
    """`/v1/chat/completions`."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher, answers: Answers, images: Images) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._answers = answers
        self._images = images

    async def stream(self, request: ChatCompletionRequest, send: ChunkSink) -> list[bytes]:
        """The answer as it comes (`Answers.stream`). Raises GatewayError."""
        generate = partial(self._dispatcher.generate, await self._prepare(request))
        stream = ChatStream(
            _head(request), choices=request.n or 1, include_usage=request.include_usage, may_call=request.may_call
        )
        return await self._answers.stream(generate, stream, send)

    async def complete(self, request: ChatCompletionRequest) -> ChatCompletion:
        """The whole answer. Raises GatewayError."""
        fold = ChatFold(request.n or 1, may_call=request.may_call)
        await self._answers.fold(partial(self._dispatcher.generate, await self._prepare(request)), fold)
        return fold.finish(_head(request))

    async def _prepare(self, request: ChatCompletionRequest) -> GenerationRequest:
        model = self._catalog.get(request.model, GeneratingModel)
        images = await self._images.read(images_of(request), model=model.name, taken=model.images)
        if model.is_rendered_there:
            return _leave_rendering(request, model, Messages(numbered_messages(request), images))
        if model.template is None or model.tokenizer is None:
            raise BadRequest(
                f"The model `{model.name}` has no chat template; use /v1/completions.",
                param="model",
                code="invalid_value",
            )
        _check_tools(request, model)
        prompt = model.template.render(_messages(request), for_template(request.tools))
        [token_ids] = await model.tokenizer.encode([prompt], add_special_tokens=False)
        limit = completion_limit(
            context_length=model.context_length,
            prompt_tokens=len(token_ids),
            asked=request.completion_limit,
            param="messages",
        )
        params = dict(request.sampling_params())
        if limit is not None:
            params["max_completion_tokens"] = limit
        return GenerationRequest(new_rid(), model.triton_name, "chat", token_ids, params, model.adapter)


def _leave_rendering(request: ChatCompletionRequest, model: GeneratingModel, messages: Messages) -> GenerationRequest:
    """For a model whose prompts only its backend can make: how long they are it says itself."""
    _check_tools(request, model)
    params = {**request.sampling_params(), **template_fields(request)}
    limit = completion_limit(
        context_length=model.context_length, prompt_tokens=0, asked=request.completion_limit, param="messages"
    )
    if limit is not None:
        params["max_completion_tokens"] = limit
    return GenerationRequest(new_rid(), model.triton_name, "chat", None, params, model.adapter, messages)


def _check_tools(request: ChatCompletionRequest, model: GeneratingModel) -> None:
    if request.may_call and not model.calls_tools:
        raise BadRequest(
            f"The model `{model.name}` has no tool parser, so its tool calls could not be told from text.",
            param="tools",
            code="unsupported_parameter",
        )


def _messages(request: ChatCompletionRequest) -> list[dict[str, Any]]:
    try:
        return [message.for_template() for message in request.messages]
    except ValueError as error:
        raise BadRequest(
            "The arguments of a tool call in 'messages' must be a JSON object in a string.",
            param="messages",
            code="invalid_value",
        ) from error


def _head(request: ChatCompletionRequest) -> AnswerHead:
    return AnswerHead(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), request.model)
