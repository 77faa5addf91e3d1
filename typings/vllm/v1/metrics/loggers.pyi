from typing import Any

from vllm.config import VllmConfig
from vllm.v1.metrics.stats import IterationStats, SchedulerStats

class StatLoggerBase:
    def record(
        self,
        scheduler_stats: SchedulerStats | None,
        iteration_stats: IterationStats | None,
        mm_cache_stats: Any = None,
        engine_idx: int = 0,
    ) -> None: ...
    def log_engine_initialized(self) -> None: ...
    def log(self) -> None: ...

class PrometheusStatLogger(StatLoggerBase):
    def __init__(self, vllm_config: VllmConfig, engine_indexes: list[int] | None = None) -> None: ...
    def record_admission_rejection(self, reason: str) -> None: ...
    def record_sleep_state(self, sleep: int = 0, level: int = 0) -> None: ...
