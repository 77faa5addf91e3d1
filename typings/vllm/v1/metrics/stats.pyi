from collections.abc import Mapping, Sequence
from typing import Any

class PrefixCacheStats:
    queries: int
    hits: int

class SchedulerStats:
    num_running_reqs: int
    num_waiting_reqs: int
    num_skipped_waiting_reqs: int
    kv_cache_usage: float
    prefix_cache_stats: PrefixCacheStats
    running_lora_adapters: Mapping[str, int]
    waiting_lora_adapters: Mapping[str, int]

class FinishedRequestStats:
    finish_reason: Any
    e2e_latency: float
    queued_time: float
    prefill_time: float
    decode_time: float
    inference_time: float
    num_prompt_tokens: int
    num_generation_tokens: int

class IterationStats:
    num_prompt_tokens: int
    num_generation_tokens: int
    num_preempted_reqs: int
    time_to_first_tokens_iter: Sequence[float]
    inter_token_latencies_iter: Sequence[float]
    n_params_iter: Sequence[int]
    finished_requests: Sequence[FinishedRequestStats]
