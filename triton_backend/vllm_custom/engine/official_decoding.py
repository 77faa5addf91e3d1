"""Turns the requests of NVIDIA's clients into what vLLM takes: a prompt, sampling parameters, and the plan."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..contract.conversation import check_images
from ..contract.plan import Plan
from ..errors import BadRequest
from ..official.request import OfficialGenerate
from ..official.sampling import STRUCTURED, arguments
from .rendering import most_images

if TYPE_CHECKING:
    from vllm.inputs.engine import TokensInput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM


class Prepared(NamedTuple):
    """One request as vLLM takes it, with its plan."""

    prompt: TokensInput
    params: SamplingParams
    plan: Plan


class OfficialDecoding:
    """Prepares official requests. Built when the engine starts, because its imports take seconds."""

    def __init__(self, llm: AsyncLLM) -> None:
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        self._renderer = llm.renderer
        self._most_images = most_images(llm.renderer)
        self._context_length = llm.model_config.max_model_len
        self._params = SamplingParams
        self._structured = StructuredOutputsParams
        self._kinds = RequestOutputKind
        self._known = typing.get_type_hints(SamplingParams)
        self._structured_known = typing.get_type_hints(StructuredOutputsParams)

    async def prepare(self, request: OfficialGenerate) -> Prepared:
        """The request, checked and rendered. Raises what vLLM raises, and BadRequest."""
        params = self._sampling_params(request)
        requested_logprobs = params.logprobs
        if request.wanted.cumulative_logprob and requested_logprobs is None:
            # vLLM adds up only what it computes; without this the sum would be NaN, as it is in NVIDIA's backend.
            params.logprobs = 0
        prompt = await self._render(request)
        prompt_tokens = len(prompt["prompt_token_ids"])
        if prompt_tokens >= self._context_length:
            raise BadRequest(
                f"the prompt has {prompt_tokens} tokens, which leaves no room for an answer in the model's context of "
                f"{self._context_length}"
            )
        plan = Plan(params.n, prompt_tokens, requested_logprobs, token_ids=False)
        return Prepared(prompt, params, plan)

    def _sampling_params(self, request: OfficialGenerate) -> SamplingParams:
        given = arguments(request.body, self._known, self._structured_known)
        if STRUCTURED in given:
            given[STRUCTURED] = self._structured(**given[STRUCTURED])
        kind = self._kinds.DELTA if request.stream else self._kinds.FINAL_ONLY
        return self._params(**given, output_kind=kind)

    async def _render(self, request: OfficialGenerate) -> TokensInput:
        prompt: dict[str, Any] = {"prompt": request.prompt}
        if request.images:
            check_images(len(request.images), self._most_images, param="image")
            # Off the loop: decoding a large image takes longer than a step of the engine.
            prompt["multi_modal_data"] = {"image": await asyncio.to_thread(_open_images, request.images)}
        (rendered,) = await self._renderer.render_cmpl_async([prompt])
        return rendered


def _open_images(files: Sequence[bytes]) -> list[Any]:
    from vllm.multimodal.media import ImageMediaIO

    opener = ImageMediaIO()
    images: list[Any] = []
    for number, content in enumerate(files):
        try:
            images.append(opener.load_bytes(content))
        except Exception as error:  # what Pillow raises for a file that is none is not all of one kind
            raise BadRequest(f"image: number {number} cannot be read: {error}", param="image") from error
    return images
