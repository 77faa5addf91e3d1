"""Chats to prompts, with the code that `vllm serve` of the same version uses: templates, Mistral's tokens, Harmony, images.

None of it holds the engine's event loop up: vLLM applies templates, tokenises and opens images on threads of its own, and
what it would do on the loop (checking the messages, Harmony) runs on another thread here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..contract.conversation import Conversation, check_images
from ..errors import BadRequest, translate_refusal
from .parser_names import ParserNames, refuse_tools

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.inputs.engine import TokensInput
    from vllm.renderers import BaseRenderer
    from vllm.v1.engine.async_llm import AsyncLLM


class Rendering:
    """Renders the chats of one engine."""

    def __init__(self, llm: AsyncLLM, names: ParserNames) -> None:
        from vllm.renderers.online_renderer import OnlineRenderer

        self._names = names
        self.most_images = most_images(llm.renderer)
        self._online = OnlineRenderer(
            llm.model_config,
            llm.renderer,
            request_logger=None,
            chat_template=None,
            chat_template_content_format="auto",
            enable_auto_tools=names.tool is not None,
            tool_parser=names.tool,
            reasoning_parser=names.reasoning,
        )

    async def render(self, conversation: Conversation, openai: ChatCompletionRequest) -> TokensInput:
        """The prompt, images included; `openai` is the request with the messages, to which the parsers have added what
        they need. Raises BadRequest, naming `messages` where nothing else is at fault."""
        check_images(len(conversation.images), self.most_images)
        if self._names.tool is None:
            refuse_tools({"tools": openai.tools, "tool_choice": openai.tool_choice})
        try:
            return await self._render(openai)
        except Exception as exception:
            failure = translate_refusal(exception)
            if isinstance(failure, BadRequest) and failure.param is None:
                failure.param = "messages"
            raise failure from exception

    async def _render(self, openai: ChatCompletionRequest) -> TokensInput:
        limits = openai.max_tokens, openai.max_completion_tokens
        # vLLM would refuse a prompt that leaves less room than was asked for. Here the answer is cut to the room, as it is
        # for a prompt that comes as tokens.
        openai.max_tokens = openai.max_completion_tokens = None
        try:
            rendering = self._online.render_chat(openai)
            # Harmony never waits for anything, and would hold up everybody's tokens.
            rendered = await (asyncio.to_thread(asyncio.run, rendering) if self._online.use_harmony else rendering)
        finally:
            openai.max_tokens, openai.max_completion_tokens = limits
        if not isinstance(rendered, tuple):
            raise BadRequest(rendered.error.message, param=rendered.error.param)
        (prompt,) = rendered[1]
        return prompt


def must_render(llm: AsyncLLM) -> bool:
    """Whether chats have to be rendered here, because a gateway with tokenizer and template could not: images, Mistral's
    tokens, Harmony, and models whose format vLLM writes in code."""
    from vllm.renderers.hf import HfRenderer

    is_plain = type(llm.renderer) is HfRenderer and llm.model_config.hf_config.model_type != "gpt_oss"
    return not is_plain or llm.renderer.mm_processor is not None


def most_images(renderer: BaseRenderer) -> int:
    """How many images a prompt may have; 0 for a model that takes none."""
    processor: Any = renderer.mm_processor
    return 0 if processor is None else processor.info.allowed_mm_limits.get("image", 0)
