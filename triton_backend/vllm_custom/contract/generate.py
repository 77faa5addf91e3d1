"""What an engine is asked to generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .conversation import Conversation

Api = Literal["chat", "completions"]


@dataclass(frozen=True, slots=True)
class Generate:
    """Exactly one of `prompt`, `token_ids` and `conversation` is given. The engine's own request class has still to check
    `body`."""

    rid: str
    api: Api
    body: Mapping[str, Any]
    prompt: str | None
    token_ids: Sequence[int] | None
    adapter: str | None = None
    # Seconds from its arrival until it ends with a `timeout`.
    timeout: float | None = None
    session: str | None = None
    conversation: Conversation | None = None
