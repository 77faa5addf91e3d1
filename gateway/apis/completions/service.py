"""The completion use case: prompts as text or tokens, each with its alternatives, streamed or whole."""

from __future__ import annotations

import secrets
import time
from array import array
from collections.abc import Sequence
from functools import partial

from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan, Best
from gateway.apis.completions.merge import merged
from gateway.apis.completions.schema import Completion, CompletionRequest
from gateway.apis.completions.stream import CompletionFold, CompletionStream
from gateway.dispatch.answering import Answers, ChunkSink
from gateway.dispatch.generation import Dispatcher
from gateway.errors import BadRequest
from gateway.generation import GenerationRequest, OutputSink
from gateway.limits.admission import Permit
from gateway.models.catalog import Catalog
from gateway.models.kinds import GeneratingModel
from gateway.prompting.context import completion_limit, truncated
from gateway.prompting.inputs import token_ids
from gateway.prompting.tokenizer import Tokenizer
from gateway.prompting.unrendered import refuse_what_needs_tokens
from gateway.triton.llm import new_rid

MAX_CHOICES = 128
"""Prompts times `n` or `best_of`: each is a sequence in the engine, whatever it is counted as here."""


class CompletionService:
    """`/v1/completions`."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher, answers: Answers) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._answers = answers

    async def stream(self, request: CompletionRequest, sink: ChunkSink) -> list[bytes]:
        """The answer as it comes (`Answers.stream`). Raises GatewayError."""
        model, generations = await self._prepare(request)
        stream = CompletionStream(_plan(request, generations, model.tokenizer))
        generate = partial(self._generate, generations, request.generated)
        del request  # it may be large, and the answer may take long
        return await self._answers.stream(generate, stream, sink)

    async def complete(self, request: CompletionRequest) -> Completion:
        """The whole answer. Raises GatewayError."""
        model, generations = await self._prepare(request)
        fold = CompletionFold(_plan(request, generations, model.tokenizer))
        generate = partial(self._generate, generations, request.generated)
        del request
        await self._answers.fold(generate, fold)
        return fold.finish()

    async def _generate(
        self, generations: Sequence[GenerationRequest], choices_each: int, permit: Permit, sink: OutputSink
    ) -> None:
        if len(generations) == 1:
            await self._dispatcher.generate(generations[0], permit, sink)
        else:
            await merged([partial(self._dispatcher.generate, each, permit) for each in generations], choices_each, sink)

    async def _prepare(self, request: CompletionRequest) -> tuple[GeneratingModel, list[GenerationRequest]]:
        model = self._catalog.get(request.model, GeneratingModel)
        if len(request.prompts()) * request.generated > MAX_CHOICES:
            raise BadRequest(
                f"At most {MAX_CHOICES} completions can be asked for at a time: prompts times 'n' or 'best_of'.",
                param="prompt",
                code="invalid_value",
            )
        prompts = request.prompts()
        if model.tokenizer is None:
            refuse_what_needs_tokens(request, model.name)
        else:
            special = request.add_special_tokens is not False
            prompts = await token_ids(model.tokenizer, prompts, param="prompt", add_special_tokens=special)
        return model, [self._generation(request, model, prompt) for prompt in prompts]

    def _generation(
        self, request: CompletionRequest, model: GeneratingModel, prompt: list[int] | str
    ) -> GenerationRequest:
        ids = text = None
        if isinstance(prompt, str):
            text = prompt
        else:
            keep, side = request.truncate_prompt_tokens, request.truncation_side
            ids = array("i", truncated(prompt, keep, side, context_length=model.context_length))
        # How long a text is that only the backend can tokenise is for the backend to judge.
        known = 0 if ids is None else len(ids)
        limit = completion_limit(
            context_length=model.context_length, prompt_tokens=known, asked=request.max_tokens, param="prompt"
        )
        params = dict(request.sampling_params())
        if limit is not None:
            params["max_tokens"] = max(1, limit)  # the engine can't make nothing; AnswerPlan.is_empty leaves it out
        return GenerationRequest(new_rid(), model.triton_name, "completions", ids, params, model.adapter, text)


def _plan(
    request: CompletionRequest, generations: Sequence[GenerationRequest], tokenizer: Tokenizer | None
) -> AnswerPlan:
    ids = [generation.prompt_token_ids for generation in generations]
    known = [prompt.tolist() for prompt in ids if prompt is not None]
    return AnswerPlan(
        id=f"cmpl-{secrets.token_hex(16)}",
        created=int(time.time()),
        model=request.model,
        choices=len(ids) * request.generated,
        prompts=len(ids),
        include_usage=request.include_usage,
        continuous_usage=request.continuous_usage,
        names_ids=bool(request.return_tokens_as_token_ids),
        tells_prompt_logprobs=request.prompt_logprobs is not None,
        prompt_token_ids=known if request.return_token_ids and len(known) == len(ids) else None,
        echoed=[_echoed(*each, request, tokenizer) for each in zip(request.prompts(), ids, strict=True)]
        if request.echo
        else None,
        is_empty=request.max_tokens == 0,
        best=Best(request.n or 1, tells_logprobs=request.logprobs is not None) if request.ranks else None,
    )


def _echoed(
    written: str | list[int], ids: array[int] | None, request: CompletionRequest, tokenizer: Tokenizer | None
) -> EchoedPrompt:
    """What is repeated of a prompt: the client's own text, where there is one and all of it counted."""
    if tokenizer is None or ids is None:
        return EchoedPrompt(str(written))
    is_whole = isinstance(written, str) and request.truncate_prompt_tokens is None
    first = None if request.logprobs is None else (ids[0], tokenizer.decode(ids[:1]))
    return EchoedPrompt(str(written) if is_whole else tokenizer.decode(ids), first)
