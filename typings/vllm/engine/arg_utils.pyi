from dataclasses import dataclass
from typing import Any

from vllm.config import VllmConfig
from vllm.usage.usage_lib import UsageContext

@dataclass(init=False)
class AsyncEngineArgs:
    model: str
    enable_log_requests: bool
    disable_log_stats: bool
    enable_lora: bool
    def __init__(self, **arguments: Any) -> None: ...
    def create_engine_config(self, usage_context: UsageContext | None = None) -> VllmConfig: ...
