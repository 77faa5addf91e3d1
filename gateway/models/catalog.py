"""Which models there are now, and which Tritons have them. Kept up to date by asking every Triton every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from gateway.errors import GatewayError, ModelNotFound, NotFound, Unavailable
from gateway.limits import callers
from gateway.models.adapters import with_adapters
from gateway.models.loader import ModelLoader
from gateway.models.rows import RowsModel
from gateway.models.served import ModelNotServable, ServedModel
from gateway.pooling import Op
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.discovery import discover

log = logging.getLogger(__name__)

_AWAY_INTERVAL_S = 1.0
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})

M = TypeVar("M", bound=ServedModel)


class Catalog:
    """The served models by name. A model whose Tritons are all away stays known: asking for it is a 503 and not a 404.

    `aliases` are further names of models; a model that has such a name itself wins. For the current caller
    (`callers.caller`) only the models exist that it may use.
    """

    def __init__(
        self,
        clients: Sequence[TritonClient],
        loader: ModelLoader,
        interval_s: float,
        aliases: Mapping[str, str] = _NO_ALIASES,
    ) -> None:
        self._clients = tuple(clients)
        self._loader = loader
        self._interval_s = interval_s
        self._aliases = dict(aliases)
        self._models: dict[str, ServedModel] = {}
        self._replicas: dict[str, tuple[TritonClient, ...]] = {}
        # By Triton: names and versions that need no second look; names that are there but not loaded; names it serves.
        self._seen: dict[TritonClient, frozenset[tuple[str, str]]] = dict.fromkeys(self._clients, frozenset())
        self._pending: dict[TritonClient, frozenset[str]] = dict.fromkeys(self._clients, frozenset())
        self._served_by: dict[TritonClient, frozenset[str]] = dict.fromkeys(self._clients, frozenset())
        # By Triton and model: the adapters that are loaded there.
        self._adapters: dict[tuple[TritonClient, str], frozenset[str]] = {}
        self._has_looked = False

    def models(self) -> list[ServedModel]:
        """All served models, by name."""
        return [self._models[name] for name in sorted(self._models)]

    def offered(self) -> dict[str, ServedModel]:
        """The models under all their names, as far as the caller may use them."""
        aliased = {alias: self._models[name] for alias, name in self._aliases.items() if name in self._models}
        named = {**aliased, **self._models}
        caller = callers.caller.get()
        return {name: named[name] for name in sorted(named) if caller.may_use(name)}

    def bases(self) -> list[ServedModel]:
        """All models except adapters, which are ready whenever the model that they are loaded into is."""
        return [model for model in self.models() if model.base is None]

    def get(self, name: str, kind: type[M]) -> M:
        """The model of that name, for an endpoint that takes this kind. Raises ModelNotFound, or Unavailable while it can't
        be known whether there is one: before the first look at Triton, and while a model is there but not loaded."""
        model = self.find(name)
        if not isinstance(model, kind):
            raise ModelNotFound(name)
        return model

    def making(self, name: str, op: Op) -> RowsModel:
        """The model of that name that makes rows by this op. Raises as `get`."""
        model = self.get(name, RowsModel)
        if op not in model.ops:
            raise ModelNotFound(name)
        return model

    def find(self, name: str) -> ServedModel:
        """The model of that name, of any kind. Raises as `get`."""
        if not callers.caller.get().may_use(name):
            raise ModelNotFound(name)
        own_name = name if name in self._models else self._aliases.get(name, name)
        model = self._models.get(own_name)
        if model is None:
            unsure = not self._has_looked or any(own_name in pending for pending in self._pending.values())
            raise status.unavailable() if unsure else ModelNotFound(name)
        return model

    def default(self, kind: type[M]) -> M:
        """The first model of a kind, for endpoints where OpenAI lets the client name none. Raises as `get`."""
        for model in self.offered().values():
            if isinstance(model, kind):
                return model
        if not self._has_looked or any(self._pending.values()):
            raise Unavailable("No model is ready for this endpoint.", retry_after_s=status.RETRY_AFTER_S)
        raise NotFound(
            "There is no model for this endpoint, or you do not have access to it.", code=ModelNotFound.default_code
        )

    def replicas(self, name: str) -> list[TritonClient]:
        """The Tritons that have the model, the least busy first. Raises Unavailable when there is none."""
        clients = self._replicas.get(name, ())
        if not clients:
            raise status.unavailable()
        return sorted(clients, key=lambda client: client.in_flight)

    async def keep_fresh(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("looking for models failed")
            # A Triton that is away is looked for more often: its return should not be met with refusals.
            all_there = all(self._seen[client] for client in self._clients)
            await asyncio.sleep(self._interval_s if all_there else min(self._interval_s, _AWAY_INTERVAL_S))

    async def refresh(self) -> None:
        """Ask every Triton once. Never raises GatewayError: a Triton that can't be asked has no models for now."""
        await asyncio.gather(*(self._refresh(client) for client in self._clients))

    async def _refresh(self, client: TritonClient) -> None:
        try:
            ready = await client.ready_models()
        except GatewayError:
            self._seen[client] = frozenset()
            self._pending[client] = frozenset()
            self._serve(client, frozenset())
            return
        self._has_looked = self._has_looked or bool(ready)
        await self._learn(client, frozenset(ready))
        await self._learn_adapters(client)

    async def _learn_adapters(self, client: TritonClient) -> None:
        """Adapters come and go while their model stays, so each model that takes any is asked each time."""
        for name in sorted(self._served_by[client]):
            model = self._models.get(name)
            if model is None or not model.takes_adapters:
                continue
            try:
                self._adapters[client, name] = await self._loader.adapters(client, name)
            except GatewayError as error:
                log.warning("the adapters of %s at %s are not known: %s", name, client.address, error)
        loaded: dict[str, set[str]] = {}
        for (_, name), adapters in self._adapters.items():
            loaded.setdefault(name, set()).update(adapters)
        self._models = with_adapters(self._models, loaded)

    async def _learn(self, client: TritonClient, ready: frozenset[tuple[str, str]]) -> None:
        """Load the models that a Triton has now. One that can't be loaded is tried again at the next look."""
        seen = self._seen[client]
        if ready == seen:
            return
        self._serve(client, self._served_by[client] & {name for name, _ in ready})
        new = self._pending[client] = frozenset(name for name, _ in ready - seen)
        for name in sorted(new):
            try:
                await self._load(client, name)
            except (GatewayError, ModelNotServable) as error:
                log.warning("model %s at %s can't be served yet: %s", name, client.address, error)
            else:
                self._pending[client] -= {name}
        self._seen[client] = frozenset((name, version) for name, version in ready if name not in self._pending[client])
        log.info("%s serves %s", client.address, ", ".join(sorted(self._served_by[client])) or "nothing")

    async def _load(self, client: TritonClient, name: str) -> None:
        discovered = await discover(client, name)
        if discovered is not None and self._loader.serves(discovered):
            if name in self._aliases:
                log.warning("%s is an alias in the settings, and a model that Triton has: the model is served", name)
            self._models[name] = await self._loader.load(client, discovered)
            self._serve(client, self._served_by[client] | {name})

    def _serve(self, client: TritonClient, names: frozenset[str]) -> None:
        """From now on this Triton serves these."""
        self._served_by[client] = names
        everywhere = frozenset[str]().union(*self._served_by.values())
        self._replicas = {
            name: tuple(client for client in self._clients if name in self._served_by[client]) for name in everywhere
        }
