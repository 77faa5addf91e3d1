"""What an engine is asked to do with its LoRA adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Lora:
    """`name` is empty for `list`, `path` for all but `load`. `timeout` in seconds, from its arrival."""

    rid: str
    action: Literal["load", "unload", "list"]
    name: str
    path: str
    timeout: float | None = None
