"""The completion use case: prompts as text or tokens, each with its alternatives, streamed or whole."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from functools import partial

from gateway.admission import Permit
from gateway.chat.chunks import AnswerHead
from gateway.chat.completion_stream import CompletionFold, CompletionStream
from gateway.errors import BadRequest
from gateway.generation import GenerationRequest, OutputSink
from gateway.schemas.completions import Completion, CompletionRequest
from gateway.services.answers import Answers, ChunkSink
from gateway.services.catalog import Catalog
from gateway.services.dispatch import Dispatcher
from gateway.services.inputs import token_ids
from gateway.services.merge import merged
from gateway.services.models import GeneratingModel
from gateway.services.prompts import completion_limit
from gateway.triton.llm import new_rid

MAX_CHOICES = 128
"""Prompts times `n`: each is a sequence in the engine, whatever it is counted as here."""


class CompletionService:
    """`/v1/completions`."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher, answers: Answers) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._answers = answers

    async def stream(self, request: CompletionRequest, send: ChunkSink) -> list[bytes]:
        """The answer as it comes (`Answers.stream`). Raises GatewayError."""
        generations = await self._prepare(request)
        stream = CompletionStream(
            _head(request),
            choices=_choices(request),
            include_usage=request.include_usage,
            prompts=len(generations),
        )
        return await self._answers.stream(partial(self._generate, generations, request.n or 1), stream, send)

    async def complete(self, request: CompletionRequest) -> Completion:
        """The whole answer. Raises GatewayError."""
        fold = CompletionFold(_choices(request))
        generations = await self._prepare(request)
        await self._answers.fold(partial(self._generate, generations, request.n or 1), fold)
        return fold.finish(_head(request))

    async def _generate(
        self, generations: Sequence[GenerationRequest], n: int, permit: Permit, take: OutputSink
    ) -> None:
        if len(generations) == 1:
            await self._dispatcher.generate(generations[0], permit, take)
        else:
            await merged([partial(self._dispatcher.generate, each, permit) for each in generations], n, take)

    async def _prepare(self, request: CompletionRequest) -> list[GenerationRequest]:
        model = self._catalog.get(request.model, GeneratingModel)
        if _choices(request) > MAX_CHOICES:
            raise BadRequest(
                f"At most {MAX_CHOICES} completions can be asked for at a time: prompts times 'n'.",
                param="prompt",
                code="invalid_value",
            )
        prompts = request.prompts()
        if model.tokenizer is not None:
            prompts = await token_ids(model.tokenizer, prompts, param="prompt")
        return [self._generation(request, model, prompt) for prompt in prompts]

    def _generation(
        self, request: CompletionRequest, model: GeneratingModel, prompt: list[int] | str
    ) -> GenerationRequest:
        # How long a text is that only the backend can tokenise is for the backend to judge.
        known = len(prompt) if isinstance(prompt, list) else 0
        limit = completion_limit(
            context_length=model.context_length, prompt_tokens=known, asked=request.max_tokens, param="prompt"
        )
        params = dict(request.sampling_params())
        if limit is not None:
            params["max_tokens"] = limit
        ids, text = (prompt, None) if isinstance(prompt, list) else (None, prompt)
        return GenerationRequest(new_rid(), model.triton_name, "completions", ids, params, model.adapter, text)


def _choices(request: CompletionRequest) -> int:
    return len(request.prompts()) * (request.n or 1)


def _head(request: CompletionRequest) -> AnswerHead:
    return AnswerHead(f"cmpl-{uuid.uuid4().hex}", int(time.time()), request.model)
