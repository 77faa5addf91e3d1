from typing import Any, ClassVar, Self

from vllm.config import ModelConfig
from vllm.parser import Parser
from vllm.renderers import ChatParams, TokenizeParams
from vllm.sampling_params import SamplingParams

class ChatCompletionRequest:
    model_fields: ClassVar[dict[str, Any]]
    n: int | None
    temperature: float | None
    max_tokens: int | None
    max_completion_tokens: int | None
    logprobs: bool | None
    logprob_token_ids: list[int] | None
    return_token_ids: bool | None
    cache_salt: str | None
    priority: int
    stream: bool | None
    tools: list[Any] | None
    tool_choice: Any
    parallel_tool_calls: bool | None
    include_reasoning: bool
    skip_special_tokens: bool
    @classmethod
    def model_validate(cls, obj: Any) -> Self: ...
    def model_copy(self, *, update: dict[str, Any]) -> Self: ...
    def build_chat_params(self, default_template: str | None, default_template_content_format: str) -> ChatParams: ...
    def resolve_reasoning_ended(self, parser: Parser | None, prompt_token_ids: list[int]) -> bool | None: ...
    def build_tok_params(self, model_config: ModelConfig) -> TokenizeParams: ...
    def to_sampling_params(self, max_tokens: int, default_sampling_params: dict[str, Any]) -> SamplingParams: ...
