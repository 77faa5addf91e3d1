from collections.abc import AsyncGenerator, Sequence
from typing import Any

from vllm.config import ModelConfig, VllmConfig
from vllm.inputs.engine import TokensInput
from vllm.lora.request import LoRARequest
from vllm.outputs import PoolingRequestOutput, RequestOutput
from vllm.pooling_params import PoolingParams
from vllm.renderers import BaseRenderer
from vllm.sampling_params import SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.output_processor import OutputProcessor, RequestOutputCollector
from vllm.v1.metrics.loggers import StatLoggerBase

class AsyncLLM:
    model_config: ModelConfig
    vllm_config: VllmConfig
    renderer: BaseRenderer
    output_processor: OutputProcessor
    @property
    def errored(self) -> bool: ...
    @classmethod
    def from_vllm_config(
        cls,
        vllm_config: VllmConfig,
        *,
        usage_context: UsageContext = ...,
        stat_loggers: Sequence[type[StatLoggerBase]] | None = None,
        enable_log_requests: bool = False,
        disable_log_stats: bool = False,
    ) -> AsyncLLM: ...
    async def reset_prefix_cache(self) -> bool: ...
    async def sleep(self, level: int = 1) -> None: ...
    async def wake_up(self) -> bool: ...
    async def get_supported_tasks(self) -> tuple[str, ...]: ...
    async def add_request(
        self,
        request_id: str,
        prompt: TokensInput,
        params: SamplingParams,
        *,
        lora_request: LoRARequest | None = None,
        priority: int = 0,
        prompt_text: str | None = None,
        reasoning_ended: bool | None = None,
        reasoning_parser_kwargs: dict[str, Any] | None = None,
    ) -> RequestOutputCollector: ...
    def generate(
        self, prompt: str, sampling_params: SamplingParams, request_id: str
    ) -> AsyncGenerator[RequestOutput]: ...
    def encode(
        self,
        prompt: TokensInput,
        pooling_params: PoolingParams,
        request_id: str,
        lora_request: LoRARequest | None = None,
    ) -> AsyncGenerator[PoolingRequestOutput]: ...
    async def add_lora(self, lora_request: LoRARequest) -> bool: ...
    async def remove_lora(self, lora_id: int) -> bool: ...
    async def abort(self, request_id: str, internal: bool = False) -> None: ...
    def shutdown(self, timeout: float | None = None) -> None: ...
