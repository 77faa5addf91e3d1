from collections.abc import Sequence

from vllm.config import ModelConfig, VllmConfig
from vllm.inputs.engine import TokensInput
from vllm.lora.request import LoRARequest
from vllm.renderers import BaseRenderer
from vllm.sampling_params import SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.output_processor import RequestOutputCollector
from vllm.v1.metrics.loggers import StatLoggerBase

class AsyncLLM:
    model_config: ModelConfig
    renderer: BaseRenderer
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
    ) -> RequestOutputCollector: ...
    async def abort(self, request_id: str, internal: bool = False) -> None: ...
    def get_num_unfinished_requests(self) -> int: ...
    def shutdown(self, timeout: float | None = None) -> None: ...
