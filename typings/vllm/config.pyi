from typing import Any

class SchedulerConfig:
    policy: str

class VllmConfig:
    scheduler_config: SchedulerConfig

class ModelConfig:
    model: str
    tokenizer: str | None
    max_model_len: int
    dtype: Any
    generation_config: str
    hf_config: Any
    score_type: str
    encoder_config: dict[str, Any] | None
    override_generation_config: dict[str, Any]
    def get_vocab_size(self) -> int: ...
    def get_diff_sampling_param(self) -> dict[str, Any]: ...
