from typing import Any, ClassVar, Self

from vllm.config import ModelConfig
from vllm.renderers import TokenizeParams
from vllm.sampling_params import SamplingParams

class CompletionRequest:
    model_fields: ClassVar[dict[str, Any]]
    n: int
    temperature: float | None
    max_tokens: int | None
    logprobs: int | None
    logprob_token_ids: list[int] | None
    return_token_ids: bool | None
    cache_salt: str | None
    priority: int
    @classmethod
    def model_validate(cls, obj: Any) -> Self: ...
    def model_copy(self, *, update: dict[str, Any]) -> Self: ...
    def build_tok_params(self, model_config: ModelConfig) -> TokenizeParams: ...
    def to_sampling_params(self, max_tokens: int, default_sampling_params: dict[str, Any]) -> SamplingParams: ...
