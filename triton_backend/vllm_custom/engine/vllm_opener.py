"""Checks, renders, plans and queues a generation in vLLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..configuration.config import EngineConfig
from ..contract.generate import Generate
from ..official.request import OfficialGenerate
from .adapters import Adapters
from .constraints import Constraints, constrained_by, refuse_odd_names
from .decoding import OpenAIDecoding
from .generation import Generation
from .official_decoding import OfficialDecoding
from .parser_names import ParserNames
from .parsing import ParsedGeneration, Parsers
from .rendering import Rendering
from .repeated import RepeatedGeneration
from .trial import Trial
from .vllm_generation import VllmGeneration
from .vllm_lora import lora_request

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM


class VllmOpener:
    """See `generation.Opener`. Made when an engine that generates has started, because its imports take their time."""

    def __init__(
        self,
        llm: AsyncLLM,
        config: EngineConfig,
        parser_names: ParserNames,
        adapters: Adapters,
        count_step: Callable[[], object],
    ) -> None:
        """`count_step` is called with every output. Raises ConfigError for parsers that vLLM does not have."""
        self._llm = llm
        self._adapters = adapters
        self._count_step = count_step
        self._official = OfficialDecoding(llm)
        self._parsers = Parsers(parser_names, llm.renderer.get_tokenizer(), llm.model_config)
        self._decoding = OpenAIDecoding(llm, Rendering(llm, parser_names))
        # Another backend, which only an operator can choose, judges what it is given by itself.
        structured = llm.vllm_config.structured_outputs_config
        is_xgrammar = structured.backend == "xgrammar"
        self._constraints = (
            Constraints(Trial(), bounds_whitespace=structured.disable_any_whitespace) if is_xgrammar else None
        )

    async def open(self, request: Generate) -> Generation:
        """Queue the request, and return its generation. Raises what vLLM raises, and BadRequest."""
        if isinstance(request, OfficialGenerate):
            return await self._open_official(request)
        decoding, constraints = self._decoding, self._constraints
        refuse_odd_names(request.body)
        if constraints is not None:
            await constraints.check(request.body)
        openai = await decoding.check(request)
        prompt = await decoding.render(request, openai)
        token_ids = prompt["prompt_token_ids"]
        reader = self._parsers.reader(openai, token_ids, adjusted=request.conversation is not None)
        params, plan = decoding.plan(request, openai, len(token_ids))
        if constraints is not None:
            await constraints.settle(params, request.body)
        queue = await self._llm.add_request(
            request.rid,
            prompt,
            params,
            priority=openai.priority,
            prompt_text=request.prompt,
            lora_request=self._adapter(request.adapter),
            **({} if reader is None else reader.engine_arguments),
        )
        constraint = None if params.structured_outputs is None else constrained_by(request.body)
        generation: Generation = VllmGeneration(self._llm, queue, plan, self._count_step, constrained_by=constraint)
        if openai.n is not None and openai.n > plan.choices:
            generation = RepeatedGeneration(generation, openai.n)
        return generation if reader is None else ParsedGeneration(generation, reader)

    async def _open_official(self, request: OfficialGenerate) -> VllmGeneration:
        prompt, params, plan = await self._official.prepare(request)
        if self._constraints is not None:
            await self._constraints.settle(params, request.body)
        queue = await self._llm.add_request(
            request.rid, prompt, params, lora_request=self._adapter(request.lora), prompt_text=request.prompt
        )
        return VllmGeneration(self._llm, queue, plan, self._count_step)

    def _adapter(self, name: str | None) -> LoRARequest | None:
        return None if name is None else lora_request(self._adapters.get(name))
