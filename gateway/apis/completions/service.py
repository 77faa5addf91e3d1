"""The completion use case: prompts as text or tokens, each with its alternatives, streamed or whole."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from functools import partial

from gateway.answers.chunks import ChunkSink
from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan, Best
from gateway.apis.completions.merge import merged
from gateway.apis.completions.schema import Completion, CompletionRequest
from gateway.apis.completions.stream import CompletionFold, CompletionStream
from gateway.core import Core
from gateway.dispatch.dispatcher import Dispatcher
from gateway.errors import BadRequest
from gateway.generation import GenerationRequest, OutputSink
from gateway.ids import new_id
from gateway.limits.admission import Permit
from gateway.models.generating import GeneratingModel
from gateway.prompting.tokenizer import Tokenizer

MAX_CHOICES = 128
"""Prompts times `n` or `best_of`: each is a sequence in the engine, whatever it is counted as here."""


async def stream(core: Core, request: CompletionRequest, sink: ChunkSink) -> list[bytes]:
    """The answer as it comes (`Responder.stream`). Raises GatewayError."""
    model, generations = await _prepare(core, request)
    stream = CompletionStream(_plan(request, generations, model))
    generate = partial(_generate, core.dispatcher, generations, request.generated)
    del request  # it may be large, and the answer may take long
    return await core.responder.stream(generate, stream, sink)


async def complete(core: Core, request: CompletionRequest) -> Completion:
    """The whole answer. Raises GatewayError."""
    model, generations = await _prepare(core, request)
    fold = CompletionFold(_plan(request, generations, model))
    generate = partial(_generate, core.dispatcher, generations, request.generated)
    del request
    await core.responder.fold(generate, fold)
    return fold.finish()


async def _generate(
    dispatcher: Dispatcher,
    generations: Sequence[GenerationRequest],
    choices_each: int,
    permit: Permit,
    sink: OutputSink,
) -> None:
    if len(generations) == 1:
        await dispatcher.generate(generations[0], permit, sink)
    else:
        await merged([partial(dispatcher.generate, each, permit) for each in generations], choices_each, sink)


async def _prepare(core: Core, request: CompletionRequest) -> tuple[GeneratingModel, list[GenerationRequest]]:
    model = core.catalog.get(request.model, GeneratingModel)
    if len(request.prompts()) * request.generated > MAX_CHOICES:
        raise BadRequest(
            f"At most {MAX_CHOICES} completions can be asked for at a time: prompts times 'n' or 'best_of'.",
            param="prompt",
            code="invalid_value",
        )
    return model, await model.prepare(request.turn(), core.prompting)


def _plan(request: CompletionRequest, generations: Sequence[GenerationRequest], model: GeneratingModel) -> AnswerPlan:
    ids = [generation.prompt_token_ids for generation in generations]
    known = [prompt.tolist() for prompt in ids if prompt is not None]
    return AnswerPlan(
        id=new_id("cmpl-"),
        created=int(time.time()),
        model=request.model,
        choices=len(ids) * request.generated,
        prompts=len(ids),
        include_usage=request.include_usage,
        continuous_usage=request.continuous_usage,
        names=model.token_names(by_id=bool(request.return_tokens_as_token_ids)),
        returns_prompt_logprobs=request.prompt_logprobs is not None,
        prompt_token_ids=known if request.return_token_ids and len(known) == len(ids) else None,
        echoed=[_echoed(*each, request, model.tokenizer) for each in zip(request.prompts(), ids, strict=True)]
        if request.echo
        else None,
        is_empty=request.max_tokens == 0,
        best=Best(request.n or 1, returns_logprobs=request.logprobs is not None) if request.ranks else None,
    )


def _echoed(
    written: str | list[int], ids: array[int] | None, request: CompletionRequest, tokenizer: Tokenizer | None
) -> EchoedPrompt:
    """The prompt to repeat: the client's own text, unless it sent tokens or the prompt was cut."""
    if tokenizer is None or ids is None:
        return EchoedPrompt(str(written))
    is_whole = isinstance(written, str) and request.truncate_prompt_tokens is None
    first = None if request.logprobs is None else (ids[0], tokenizer.decode(ids[:1]))
    return EchoedPrompt(str(written) if is_whole else tokenizer.decode(ids), first)
