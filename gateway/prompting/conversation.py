"""What is said before the answer, neutral of the API that it came by: what a chat template makes a prompt of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in the shape that chat templates expect: a `role` and a `content` that is a text, calls with their arguments
    as values."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] | None = None
    # Variables of the template's own: `enable_thinking`, `documents`, …
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    # Whether the prompt ends by asking for the assistant's turn.
    asks: bool = True
    # Whether the last message goes on, in place of a new turn.
    continues: bool = False
