"""The chat use case: a conversation to a prompt, the prompt to an answer, streamed or whole."""

from __future__ import annotations

import secrets
import time
from array import array
from collections.abc import Collection
from functools import partial

from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.schema import ChatCompletion, ChatCompletionRequest
from gateway.apis.chat.stream import ChatFold, ChatStream
from gateway.dispatch.answering import Answers, ChunkSink
from gateway.dispatch.generation import Dispatcher
from gateway.errors import BadRequest, not_taken
from gateway.generation import GenerationRequest, Messages
from gateway.models.catalog import Catalog
from gateway.models.kinds import GeneratingModel
from gateway.prompting.checks import check_arguments, conversation_of
from gateway.prompting.context import completion_limit, truncated
from gateway.prompting.images.reading import Images
from gateway.prompting.template import ChatTemplate
from gateway.prompting.unrendered import images_of, numbered_messages, refuse_what_needs_tokens, template_fields
from gateway.triton.llm import new_rid


class ChatService:
    """`/v1/chat/completions`."""

    def __init__(
        self,
        catalog: Catalog,
        dispatcher: Dispatcher,
        answers: Answers,
        images: Images,
        *,
        template_arguments: Collection[str],
    ) -> None:
        """`template_arguments`: the variables of chat templates that clients may set."""
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._answers = answers
        self._images = images
        self._template_arguments = template_arguments

    async def stream(self, request: ChatCompletionRequest, sink: ChunkSink) -> list[bytes]:
        """The answer as it comes (`Answers.stream`). Raises GatewayError."""
        generation = await self._prepare(request)
        stream = ChatStream(_plan(request, generation))
        del request  # it may be large, and the answer may take long
        return await self._answers.stream(partial(self._dispatcher.generate, generation), stream, sink)

    async def complete(self, request: ChatCompletionRequest) -> ChatCompletion:
        """The whole answer. Raises GatewayError."""
        generation = await self._prepare(request)
        fold = ChatFold(_plan(request, generation))
        del request
        await self._answers.fold(partial(self._dispatcher.generate, generation), fold)
        return fold.finish()

    async def _prepare(self, request: ChatCompletionRequest) -> GenerationRequest:
        model = self._catalog.get(request.model, GeneratingModel)
        self._check(request, model)
        images = await self._images.read(images_of(request), model=model.name, taken=model.images)
        if model.is_rendered_there:
            return _leave_rendering(request, model, Messages(numbered_messages(request), images))
        if model.template is None or model.tokenizer is None:
            raise BadRequest(
                f"The model `{model.name}` has no chat template; use /v1/completions.",
                param="model",
                code="invalid_value",
            )
        _check_template(request, model.name, model.template)
        prompt = model.template.render(conversation_of(request))
        [token_ids] = await model.tokenizer.encode([prompt], add_special_tokens=bool(request.add_special_tokens))
        token_ids = truncated(
            token_ids,
            request.truncate_prompt_tokens,
            request.truncation_side,
            context_length=model.context_length,
        )
        limit = completion_limit(
            context_length=model.context_length,
            prompt_tokens=len(token_ids),
            asked=request.completion_limit,
            param="messages",
        )
        params = dict(request.sampling_params())
        if limit is not None:
            params["max_completion_tokens"] = limit
        return GenerationRequest(new_rid(), model.triton_name, "chat", array("i", token_ids), params, model.adapter)

    def _check(self, request: ChatCompletionRequest, model: GeneratingModel) -> None:
        """Raises BadRequest for what this model can't honour."""
        if request.tool_use.may_call and not model.calls_tools:
            raise BadRequest(
                f"The model `{model.name}` has no tool parser, so its tool calls could not be told from text.",
                param="tools" if request.functions is None else "functions",
                code="unsupported_parameter",
            )
        check_arguments(request, self._template_arguments)


def _leave_rendering(request: ChatCompletionRequest, model: GeneratingModel, messages: Messages) -> GenerationRequest:
    """For a model whose prompts only its backend can make: how long they are it says itself."""
    refuse_what_needs_tokens(request, model.name)
    params = {**request.sampling_params(), **template_fields(request)}
    limit = completion_limit(
        context_length=model.context_length, prompt_tokens=0, asked=request.completion_limit, param="messages"
    )
    if limit is not None:
        params["max_completion_tokens"] = limit
    return GenerationRequest(new_rid(), model.triton_name, "chat", None, params, model.adapter, messages)


def _check_template(request: ChatCompletionRequest, model: str, template: ChatTemplate) -> None:
    """Raises BadRequest for what the template does not look at."""
    if request.documents is not None and "documents" not in template.variables:
        raise not_taken("documents", f"is not taken by the chat template of `{model}`")
    thinks = not template.variables.isdisjoint({"reasoning_effort", "enable_thinking"})
    if request.reasoning_effort not in (None, "none") and not thinks:
        raise not_taken("reasoning_effort", f"is not taken by the chat template of `{model}`")


def _plan(request: ChatCompletionRequest, generation: GenerationRequest) -> AnswerPlan:
    ids = generation.prompt_token_ids
    return AnswerPlan(
        id=f"chatcmpl-{secrets.token_hex(16)}",
        created=int(time.time()),
        model=request.model,
        choices=request.n or 1,
        include_usage=request.include_usage,
        continuous_usage=request.continuous_usage,
        may_call=request.tool_use.may_call,
        calls_functions=request.functions is not None,
        names_ids=bool(request.return_tokens_as_token_ids),
        tells_prompt_logprobs=request.prompt_logprobs is not None,
        prompt_token_ids=None if ids is None or not request.return_token_ids else [ids.tolist()],
        echoed=None if request.echoed is None else [EchoedPrompt(request.echoed)],
    )
