from collections.abc import Mapping, Sequence
from typing import Any

from vllm.logprobs import Logprob

class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    logprobs: Sequence[Mapping[int, Logprob]] | None
    finish_reason: str | None
    cumulative_logprob: float | None
    stop_reason: int | str | None

class RequestOutput:
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int | None

class PoolingOutput:
    data: Any

class PoolingRequestOutput:
    outputs: PoolingOutput
    prompt_token_ids: list[int]
    finished: bool
