"""What is said before the answer, neutral of the API that it came by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ImageReference(NamedTuple):
    """An image as the client names it. `param` is the place in the request, for errors."""

    param: str
    url: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in OpenAI's current form: a `role`, a `content` that is a text or a list of parts, calls with their
    arguments as JSON in a string. Each image stands as `media:N`, the number of its element in `images`."""

    messages: Sequence[Mapping[str, Any]]
    images: Sequence[ImageReference] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    # Variables of the chat template: `enable_thinking`, `documents`, …
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    # Those of them that the client has named itself, which only some may be.
    named_arguments: Collection[str] = ()
    # By field of the request: the variables of the template, one of which has to be looked at for the field to count.
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    # Whether the prompt ends by asking for the assistant's turn.
    asks_for_turn: bool = True
    # Whether the last message goes on, in place of a new turn.
    continues: bool = False
