from typing import Any

from vllm.config import ModelConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.inputs.engine import TokensInput
from vllm.renderers import BaseRenderer

class OnlineRenderer:
    use_harmony: bool
    def __init__(
        self,
        model_config: ModelConfig,
        renderer: BaseRenderer,
        *,
        request_logger: None,
        chat_template: str | None,
        chat_template_content_format: str,
        enable_auto_tools: bool = False,
        tool_parser: str | None = None,
        reasoning_parser: str | None = None,
    ) -> None: ...
    async def render_chat(
        self, request: ChatCompletionRequest
    ) -> tuple[list[Any], list[TokensInput]] | ErrorResponse: ...
