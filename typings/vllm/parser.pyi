from collections.abc import Sequence
from typing import Any, ClassVar

from vllm.config import ModelConfig
from vllm.entrypoints.generate.base.protocol import DeltaMessage, FunctionCall
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.tokenizers import TokenizerLike

class Parser:
    always_adjust_request: ClassVar[bool]
    def __init__(
        self,
        tokenizer: TokenizerLike,
        tools: list[Any] | None = None,
        *,
        model_config: ModelConfig | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
    ) -> None: ...
    @property
    def reasoning_parser(self) -> object | None: ...
    def count_reasoning_tokens(self, token_ids: Sequence[int]) -> int: ...
    def adjust_request(self, request: ChatCompletionRequest) -> ChatCompletionRequest: ...
    def set_prompt_token_ids(self, prompt_token_ids: Sequence[int]) -> None: ...
    def parse(
        self,
        model_output: str,
        request: ChatCompletionRequest,
        enable_auto_tools: bool = False,
        model_output_token_ids: Sequence[int] = (),
    ) -> tuple[str | None, str | None, list[FunctionCall] | None]: ...
    def parse_delta(
        self,
        delta_text: str,
        delta_token_ids: list[int],
        request: ChatCompletionRequest,
        prompt_token_ids: list[int] | None = None,
        *,
        finished: bool,
    ) -> DeltaMessage | None: ...

class ParserManager:
    @classmethod
    def get_parser(
        cls,
        tool_parser_name: str | None = None,
        reasoning_parser_name: str | None = None,
        enable_auto_tools: bool = False,
        model_name: str | None = None,
        is_harmony: bool = False,
        tool_strict_level: str = "auto",
        tokenizer: TokenizerLike | None = None,
    ) -> type[Parser] | None: ...
