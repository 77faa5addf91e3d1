import enum
from typing import Any

class RequestOutputKind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2

class StructuredOutputsParams:
    json: Any
    regex: str | None
    grammar: str | None
    structural_tag: str | None
    def __init__(self, **fields: Any) -> None: ...

class SamplingParams:
    n: int
    logprobs: int | None
    prompt_logprobs: int | None
    structured_outputs: StructuredOutputsParams | None
    def __init__(self, **fields: Any) -> None: ...
