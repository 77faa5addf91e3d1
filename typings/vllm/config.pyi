from typing import Any

class ModelConfig:
    model: str
    tokenizer: str | None
    max_model_len: int
    dtype: Any
    generation_config: str
    hf_config: Any
    score_type: str
    runner_type: str
    encoder_config: dict[str, Any] | None
    override_generation_config: dict[str, Any]
    enable_sleep_mode: bool
    embedding_size: int
    is_matryoshka: bool
    def get_vocab_size(self) -> int: ...
    def get_diff_sampling_param(self) -> dict[str, Any]: ...

class SchedulerConfig:
    policy: str
    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_queued_reqs: int | None
    max_num_queued_tokens: int | None

class ParallelConfig:
    data_parallel_size: int

class StructuredOutputsConfig:
    backend: str
    disable_any_whitespace: bool
    def __init__(self, **fields: Any) -> None: ...

class VllmConfig:
    model_config: ModelConfig
    scheduler_config: SchedulerConfig
    parallel_config: ParallelConfig
    structured_outputs_config: StructuredOutputsConfig
