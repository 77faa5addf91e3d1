"""An official `embedding_request` on its way: between an engine that embeds and the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from .. import response
from ..generation import Generation
from ..lifecycle import Event
from .request import OfficialEmbed


class Embedding(Generation):
    """Ends as a generation does: by its answer, an error, an abort, or the client's leaving."""

    __slots__ = ()

    def answered(self, vector: Sequence[float], prompt_tokens: int) -> bool:
        """The engine's answer; False when it came too late. `failed` is the other end, from any thread either."""
        value = {"embedding": list(vector), "prompt_tokens": prompt_tokens}
        return self.life.advance(Event.ANSWER, [response.result(self.life.rid, value)])


@runtime_checkable
class Embedder(Protocol):
    """What an engine with the task `embed` has besides `interface.Engine`."""

    def embed(self, request: OfficialEmbed, embedding: Embedding) -> None:
        """Returns at once; then exactly one of `answered` and `failed` is called. `Engine.abort` ends it too."""
        ...
