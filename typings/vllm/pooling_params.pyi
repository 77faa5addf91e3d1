from typing import Any

from vllm.config import ModelConfig

class PoolingParams:
    def __init__(
        self,
        *,
        task: str,
        dimensions: int | None = None,
        use_activation: bool | None = None,
        extra_kwargs: dict[str, Any] | None = None,
    ) -> None: ...
    def verify(self, model_config: ModelConfig) -> None: ...
