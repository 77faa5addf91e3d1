"""The chat use case: a conversation to an answer, streamed or whole."""

from __future__ import annotations

import time
from functools import partial

from gateway.answers.chunks import ChunkSink
from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.schema import ChatCompletion, ChatCompletionRequest
from gateway.apis.chat.stream import ChatFold, ChatStream
from gateway.core import Core
from gateway.generation import GenerationRequest
from gateway.ids import new_id
from gateway.models.generating import GeneratingModel


async def stream(core: Core, request: ChatCompletionRequest, sink: ChunkSink) -> list[bytes]:
    """The answer as it comes (`Responder.stream`). Raises GatewayError."""
    model, generation = await _prepare(core, request)
    stream = ChatStream(_plan(request, model, generation))
    del request  # it may be large, and the answer may take long
    return await core.responder.stream(partial(core.dispatcher.generate, generation), stream, sink)


async def complete(core: Core, request: ChatCompletionRequest) -> ChatCompletion:
    """The whole answer. Raises GatewayError."""
    model, generation = await _prepare(core, request)
    fold = ChatFold(_plan(request, model, generation))
    del request
    await core.responder.fold(partial(core.dispatcher.generate, generation), fold)
    return fold.finish()


async def _prepare(core: Core, request: ChatCompletionRequest) -> tuple[GeneratingModel, GenerationRequest]:
    model = core.catalog.get(request.model, GeneratingModel)
    [generation] = await model.prepare(request.turn(), core.prompting)
    return model, generation


def _plan(request: ChatCompletionRequest, model: GeneratingModel, generation: GenerationRequest) -> AnswerPlan:
    ids = generation.prompt_token_ids
    return AnswerPlan(
        id=new_id("chatcmpl-"),
        created=int(time.time()),
        model=request.model,
        choices=request.n or 1,
        include_usage=request.include_usage,
        continuous_usage=request.continuous_usage,
        may_call=request.tool_use.may_call,
        calls_functions=request.functions is not None,
        names=model.token_names(by_id=bool(request.return_tokens_as_token_ids)),
        returns_prompt_logprobs=request.prompt_logprobs is not None,
        prompt_token_ids=None if ids is None or not request.return_token_ids else [ids.tolist()],
        echoed=None if request.echoed is None else [EchoedPrompt(request.echoed)],
    )
