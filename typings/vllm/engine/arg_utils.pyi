from dataclasses import dataclass
from typing import Any

@dataclass(init=False)
class AsyncEngineArgs:
    model: str
    def __init__(self, **arguments: Any) -> None: ...
