"""Which models there are now, and which Tritons have them. Kept up to date by asking every Triton every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TypeVar

from gateway.errors import GatewayError, ModelNotFound, Unavailable
from gateway.services.models import (
    EmbeddingModel,
    GeneratingModel,
    ModelLoader,
    ModelNotServable,
    ModerationModel,
    ServedModel,
)
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.discovery import discover

log = logging.getLogger(__name__)

M = TypeVar("M", GeneratingModel, EmbeddingModel, ModerationModel)


class Catalog:
    """The served models by name. A model whose Tritons are all away stays known: asking for it is a 503 and not a 404."""

    def __init__(self, clients: Sequence[TritonClient], loader: ModelLoader, interval_s: float) -> None:
        self._clients = tuple(clients)
        self._loader = loader
        self._interval_s = interval_s
        self._models: dict[str, ServedModel] = {}
        self._replicas: dict[str, tuple[TritonClient, ...]] = {}
        self._seen: dict[TritonClient, list[tuple[str, str]]] = {}
        self._served_by: dict[TritonClient, frozenset[str]] = {}
        self._asked_all = False

    def models(self) -> list[ServedModel]:
        """All served models, by name."""
        return [self._models[name] for name in sorted(self._models)]

    def get(self, name: str, kind: type[M]) -> M:
        """The model of that name, for an endpoint that takes this kind. Raises ModelNotFound, or Unavailable before the
        first look at Triton has succeeded."""
        model = self.find(name)
        if not isinstance(model, kind):
            raise ModelNotFound(name)
        return model

    def find(self, name: str) -> ServedModel:
        """The model of that name, of any kind. Raises as `get`."""
        model = self._models.get(name)
        if model is None:
            raise ModelNotFound(name) if self._asked_all else status.unavailable()
        return model

    def default(self, kind: type[M]) -> M:
        """The first model of a kind, for endpoints where OpenAI lets the client name none. Raises Unavailable."""
        for model in self.models():
            if isinstance(model, kind):
                return model
        raise Unavailable("No model is ready for this endpoint.", retry_after_s=status.RETRY_AFTER_S)

    def replicas(self, name: str) -> list[TritonClient]:
        """The Tritons that have the model, the least busy first. Raises Unavailable when there is none."""
        clients = self._replicas.get(name, ())
        if not clients:
            raise status.unavailable()
        return sorted(clients, key=lambda client: client.in_flight)

    async def keep_fresh(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._interval_s)

    async def refresh(self) -> None:
        """Ask every Triton once. Never raises GatewayError: a Triton that can't be asked has no models for now."""
        await asyncio.gather(*(self._refresh(client) for client in self._clients))
        names = {name for served in self._served_by.values() for name in served}
        self._replicas = {name: tuple(c for c in self._clients if name in self._served_by[c]) for name in names}
        if any(self._seen.get(client) for client in self._clients):
            self._asked_all = True

    async def _refresh(self, client: TritonClient) -> None:
        try:
            ready = sorted(await client.ready_models())
            if ready != self._seen.get(client):
                complete = await self._learn(client, ready)
                self._seen[client] = ready if complete else []
        except GatewayError:
            self._seen[client] = []
            self._served_by[client] = frozenset()

    async def _learn(self, client: TritonClient, ready: list[tuple[str, str]]) -> bool:
        """Take over what a Triton has now. False when a model could not be loaded and is to be tried again."""
        served: set[str] = set()
        complete = True
        for discovered in await discover(client, ready):
            if discovered.task == "assets":
                continue
            try:
                model = await self._loader.load(client, discovered)
            except (GatewayError, ModelNotServable) as error:
                log.warning("model %s at %s can't be served yet: %s", discovered.name, client.address, error)
                complete = False
                continue
            self._models[model.name] = model
            served.add(model.name)
        log.info("%s serves %s", client.address, ", ".join(sorted(served)) or "nothing")
        self._served_by[client] = frozenset(served)
        return complete
