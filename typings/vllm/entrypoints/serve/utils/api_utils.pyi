from typing import Any

def get_max_tokens(
    max_model_len: int,
    max_tokens: int | None,
    input_length: int,
    default_sampling_params: dict[str, Any],
    override_max_tokens: int | None = None,
) -> int: ...
