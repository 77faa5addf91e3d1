"""Turns OpenAI's requests into what vLLM takes: a prompt, sampling parameters, and the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..contract.generate import Generate
from ..contract.plan import Plan
from ..errors import BadRequest
from .constraints import force_schemas
from .rendering import Rendering
from .versions import asks_for_token_logprobs

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest
    from vllm.inputs.engine import TokensInput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

    OpenAIRequest = ChatCompletionRequest | CompletionRequest


class OpenAIDecoding:
    """From an OpenAI body to a prompt and sampling parameters, by vLLM's own request classes and helpers.

    Built when the engine starts: importing the classes takes seconds, and pydantic builds their validators at first use.
    """

    def __init__(self, llm: AsyncLLM, rendering: Rendering) -> None:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
        from vllm.entrypoints.openai.completion.protocol import CompletionRequest
        from vllm.entrypoints.serve.utils.api_utils import get_max_tokens

        self._rendering = rendering
        # vLLM's classes require a prompt, also where it has been rendered elsewhere.
        self._classes: dict[str, tuple[type[OpenAIRequest], dict[str, Any]]] = {
            "chat": (ChatCompletionRequest, {"messages": [{"role": "user", "content": "-"}]}),
            "completions": (CompletionRequest, {"prompt": "-"}),
        }
        self._get_max_tokens = get_max_tokens
        self._renderer = llm.renderer
        self._model_config = llm.model_config
        self._has_priorities = llm.vllm_config.scheduler_config.policy == "priority"
        self._defaults = llm.model_config.get_diff_sampling_param()
        self._most_tokens = _most_tokens(llm.model_config, self._defaults)
        for request_class, prompt in self._classes.values():
            request_class.model_validate(prompt).to_sampling_params(1, self._defaults)

    async def check(self, request: Generate) -> OpenAIRequest:
        """The body as vLLM's request; raises what vLLM raises, and BadRequest for a field that vLLM would ignore."""
        # A chat may be long, and its images have to be written out: not on the loop.
        return self._check(request) if request.conversation is None else await asyncio.to_thread(self._check, request)

    def _check(self, request: Generate) -> OpenAIRequest:
        request_class, prompt = self._classes[request.api]
        if request.conversation is not None:
            prompt = {"messages": request.conversation.with_images()}
        for name in request.body:
            if name not in request_class.model_fields:
                raise BadRequest(f"this engine does not know the field {name!r}", param=name)
        openai = request_class.model_validate({**request.body, **prompt, "request_id": request.rid})
        if openai.priority and not self._has_priorities:
            raise BadRequest("priorities need scheduling_policy 'priority' in model.json", param="priority")
        if request.api == "chat":
            force_schemas(cast("ChatCompletionRequest", openai))
        return openai

    async def render(self, request: Generate, openai: OpenAIRequest) -> TokensInput:
        """The prompt as token ids; text is tokenised off the loop. Raises when it is too long for the model."""
        rendered = await self._rendered(request, openai)
        if len(rendered["prompt_token_ids"]) >= self._model_config.max_model_len:
            raise BadRequest(
                f"the prompt has {len(rendered['prompt_token_ids'])} tokens, which leaves no room for an answer in the "
                f"model's context of {self._model_config.max_model_len}",
                param=None if request.conversation is None else "messages",
                code="context_length_exceeded",
            )
        return rendered

    async def _rendered(self, request: Generate, openai: OpenAIRequest) -> TokensInput:
        if request.conversation is not None:
            return await self._rendering.render(request.conversation, cast("ChatCompletionRequest", openai))
        prompt = (
            {"prompt": request.prompt} if request.token_ids is None else {"prompt_token_ids": list(request.token_ids)}
        )
        extras = {"cache_salt": openai.cache_salt} if openai.cache_salt is not None else None
        (rendered,) = await self._renderer.render_cmpl_async(
            [prompt], openai.build_tok_params(self._model_config), prompt_extras=extras
        )
        return rendered

    def plan(self, request: Generate, openai: OpenAIRequest, prompt_tokens: int) -> tuple[SamplingParams, Plan]:
        """vLLM's sampling parameters, and the plan. Where all choices would be equal, one is planned for them all."""
        if self._is_greedy(openai):
            openai = openai.model_copy(update={"n": 1})
        params = openai.to_sampling_params(
            self._get_max_tokens(
                self._model_config.max_model_len,
                _requested_tokens(openai),
                prompt_tokens,
                self._defaults,
                self._most_tokens,
            ),
            self._defaults,
        )
        alternatives = -1 if asks_for_token_logprobs(openai) else params.logprobs
        return params, Plan(
            params.n,
            prompt_tokens,
            alternatives,
            bool(openai.return_token_ids),
            params.prompt_logprobs,
            content_only=request.api == "chat",
        )

    def _is_greedy(self, openai: OpenAIRequest) -> bool:
        default: float = self._defaults.get("temperature", 1.0)
        # vLLM's own limit, below which it takes the likeliest token.
        return (default if openai.temperature is None else openai.temperature) < 1e-5


def _requested_tokens(openai: OpenAIRequest) -> int | None:
    newer = getattr(openai, "max_completion_tokens", None)
    return openai.max_tokens if newer is None else newer


def _most_tokens(model_config: Any, defaults: Mapping[str, Any]) -> int | None:
    # As `vllm serve`: a generation config chosen by the operator limits every request, the model's own does not.
    if model_config.generation_config not in ("auto", "vllm"):
        return defaults.get("max_tokens")
    return model_config.override_generation_config.get("max_new_tokens")
