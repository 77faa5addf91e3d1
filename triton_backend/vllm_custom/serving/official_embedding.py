"""An official `embedding_request` on its way: between an engine that embeds and the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ..contract import response
from ..contract.lifecycle import Event
from ..contract.pooling import Pool
from ..engine.interface import Reply
from ..errors import BackendError, Internal
from ..official.request import OfficialEmbed
from .generation import Generation


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


class OfficialAsker:
    """See `interface.Asker`: the answer of an inquiry as that of an official request."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    def answered(self, reply: Reply) -> bool:
        if reply.vectors is None:
            return self._embedding.failed(Internal("the engine gave no vector"))
        return self._embedding.answered(reply.vectors[0].tolist(), reply.value["prompt_tokens"])

    def failed(self, failure: BackendError) -> bool:
        return self._embedding.failed(failure)


def pool_of(request: OfficialEmbed) -> Pool:
    """An official request as an engine is asked it: with the one input that it has."""
    inputs = [request.prompt or ""] if request.token_ids is None else [list(request.token_ids)]
    return Pool(request.rid, "embed", inputs, None, request.dimensions, None, None)
