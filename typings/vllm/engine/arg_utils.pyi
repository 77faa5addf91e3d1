from dataclasses import dataclass
from typing import Any

@dataclass(init=False)
class AsyncEngineArgs:
    model: str
    enable_lora: bool
    def __init__(self, **arguments: Any) -> None: ...
