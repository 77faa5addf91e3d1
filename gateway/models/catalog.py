"""Which models there are now, and which Tritons have them. Kept up to date by asking every Triton every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from gateway.errors import GatewayError, ModelBroken, ModelNotFound, NotFound, Unavailable
from gateway.limits import callers
from gateway.models.adapters import with_adapters
from gateway.models.holdings import Holdings, State, read_index
from gateway.models.loader import ModelLoader
from gateway.models.rows import RowsModel
from gateway.models.served import ModelNotServable, ServedModel
from gateway.pooling import Op
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.discovery import GENERATION, discover

log = logging.getLogger(__name__)

_AWAITED_INTERVAL_S = 0.5
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})

M = TypeVar("M", bound=ServedModel)


class Catalog:
    """The served models by name. A model whose Tritons are all away stays known: asking for it is a 503 and not a 404.
    A model that every Triton has unloaded is forgotten. Asking for one that can't be served is a 500 that says why.

    `aliases` are further names of models, by the settings; models bring such names, too. A model that has a name itself
    wins, then the settings; a name that several models bring is none. For the current caller (`callers.caller`) only the
    models exist that it may use.
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
        self._holdings = {client: Holdings() for client in self._clients}
        # By Triton and model: the adapters that are loaded there.
        self._adapters: dict[tuple[TritonClient, str], frozenset[str]] = {}
        # What each model is for, as far as a Triton has ever said so: of one that fails to load, Triton tells nothing.
        self._tasks: dict[str, str] = {}
        self._has_looked = False

    def models(self) -> list[ServedModel]:
        """All served models, by name."""
        return [self._models[name] for name in sorted(self._models)]

    def has(self, name: str) -> bool:
        """Whether a model is served under that name of its own, whoever asks."""
        return name in self._models

    def offered(self) -> dict[str, ServedModel]:
        """The models under all their names, as far as the caller may use them."""
        further = {name: model for name, model in self._further_names().items() if name not in self._aliases}
        aliased = {alias: self._models[name] for alias, name in self._aliases.items() if name in self._models}
        named = {**further, **aliased, **self._models}
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
        own_name = self.own_name(name)
        model = self._models.get(own_name)
        if model is None:
            raise self._absence(name, own_name)
        return model

    def own_name(self, name: str) -> str:
        """The name in Triton of the model that goes by this name; the name itself where there is none."""
        if name in self._models:
            return name
        if name in self._aliases:
            return self._aliases[name]
        model = self._further_names().get(name)
        return name if model is None else model.name

    def _further_names(self) -> dict[str, ServedModel]:
        named = [(name, model) for model in self._models.values() for name in model.further_names]
        times = Counter(name for name, _ in named)
        return {name: model for name, model in named if times[name] == 1}

    def _absence(self, name: str, own_name: str) -> GatewayError:
        """Why there is no model of that name."""
        # The names that a model brings are not known until it has loaded; one of the hub usually ends in its own.
        likely = own_name.rpartition("/")[2]
        if likely in self.loading():
            return status.unavailable()
        if (obstacle := self.obstacles().get(likely)) is not None:
            return ModelBroken(name, obstacle.cause)
        return ModelNotFound(name) if self._has_looked else status.unavailable()

    def loading(self) -> frozenset[str]:
        """The models that are being added and are not served yet."""
        return frozenset(name for held in self._holdings.values() for name in held.loading) - self._models.keys()

    def obstacles(self) -> dict[str, ModelNotServable]:
        """The models that no Triton serves or is loading, and why each of them can't be served."""
        found = {name: why for held in self._holdings.values() for name, why in held.obstacles.items()}
        others = self._models.keys() | self.loading()
        return {name: why for name, why in found.items() if name not in others}

    def default(self, kind: type[M]) -> M:
        """The first model of a kind, for endpoints where OpenAI lets the client name none. Raises as `get`."""
        for model in self.offered().values():
            if isinstance(model, kind):
                return model
        raise self._no_default(kind)

    def _no_default(self, kind: type[ServedModel]) -> GatewayError:
        """Why there is no model of a kind. One that has never said what it is for may be of that kind."""
        if not self._has_looked or self.loading():
            return Unavailable("No model is ready for this endpoint.", retry_after_s=status.RETRY_AFTER_S)
        caller = callers.caller.get()
        broken = {name: why for name, why in sorted(self.obstacles().items()) if caller.may_use(name)}
        for name, why in broken.items():
            if self._tasks.get(name) == kind.task:
                return ModelBroken(name, why.cause)
        unknown = ", ".join(f"`{name}`" for name in broken if name not in self._tasks)
        perhaps = f" One of these may be for it, and can't be served: {unknown}." if unknown else ""
        return NotFound(
            f"There is no model for this endpoint, or you do not have access to it.{perhaps}",
            code=ModelNotFound.default_code,
        )

    def replicas(self, name: str) -> list[TritonClient]:
        """The Tritons that have the model, or the adapter, the least busy first. Raises Unavailable when there is none."""
        clients = self._clients_with(name)
        if not clients:
            raise status.unavailable()
        return sorted(clients, key=lambda client: client.in_flight)

    def is_there(self, name: str) -> bool:
        """Whether a Triton has the model, or the adapter, now."""
        return bool(self._clients_with(name))

    def _clients_with(self, name: str) -> Sequence[TritonClient]:
        model = self._models.get(name)
        if model is None or model.base is None:
            return self._replicas.get(name, ())
        base = model.base
        return [
            client for client in self._replicas.get(base, ()) if name in self._adapters.get((client, base), frozenset())
        ]

    @property
    def has_looked(self) -> bool:
        """Whether it is known which models there are. While a Triton starts, nobody knows."""
        return self._has_looked

    async def keep_fresh(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("looking for models failed")
            # What is awaited is looked for more often: a Triton that comes back, a model that is loaded, must not be met
            # with refusals.
            settled = all(held.seen for held in self._holdings.values()) and not self.loading()
            await asyncio.sleep(self._interval_s if settled else min(self._interval_s, _AWAITED_INTERVAL_S))

    async def refresh(self) -> None:
        """Ask every Triton once. Never raises GatewayError: a Triton that can't be asked has no models for now."""
        await asyncio.gather(*(self._refresh(client) for client in self._clients))

    async def _refresh(self, client: TritonClient) -> None:
        held = self._holdings[client]
        try:
            repository = read_index(await client.repository_index())
        except GatewayError:
            held.lose()
            self._update()
            return
        # While nothing was ever loaded, Triton is starting, and nobody knows which models there will be.
        self._has_looked = self._has_looked or bool(repository.named(State.READY, State.FAILED, State.GONE))
        before = dict(held.obstacles)
        held.take(repository)
        self._update()
        await self._learn(client, repository.ready)
        if await self._look_again(client):
            await self._learn(client, repository.ready)
        self._log_obstacles(client, before)

    async def _look_again(self, client: TritonClient) -> bool:
        """Learn what changes of a model that stays: its adapters come and go, and it may be loaded anew, with other files,
        while Triton says all the time that it is ready. Whether one has been loaded anew."""
        held = self._holdings[client]
        finished = await client.finished()
        anew = [] if finished is None else held.count(finished)
        for name in sorted(held.served):
            if self._tasks.get(name) != GENERATION:
                continue
            try:
                self._adapters[client, name], description = await self._loader.look(client, name)
            except GatewayError as error:
                log.warning("%s at %s does not say what it is now: %s", name, client.address, error)
                continue
            if held.describe(name, description):
                anew.append(name)
        for name in anew:
            log.info("%s at %s has been loaded anew", name, client.address)
        self._offer_adapters()
        return bool(anew)

    def _offer_adapters(self) -> None:
        loaded: dict[str, set[str]] = {}
        for (_, name), adapters in self._adapters.items():
            loaded.setdefault(name, set()).update(adapters)
        self._models = with_adapters(self._models, loaded)

    async def _learn(self, client: TritonClient, ready: frozenset[tuple[str, str]]) -> None:
        """Load the models that a Triton has now. One that can't be loaded is tried again at the next look."""
        held = self._holdings[client]
        new = sorted({name for name, _ in ready - held.seen})
        if not new:
            return
        before = held.served
        for name in new:
            if name not in held.obstacles and name not in held.served:
                held.wait_for(name)
        self._update()
        undone = {name for name in new if not await self._try(client, name)}
        held.seen = frozenset((name, version) for name, version in ready if name not in undone)
        if held.served != before:
            log.info("%s serves %s", client.address, ", ".join(sorted(held.served)) or "nothing")

    async def _try(self, client: TritonClient, name: str) -> bool:
        """Whether the model needs no other look. One that is served stays so while it can't be read anew."""
        held = self._holdings[client]
        done = False
        try:
            await self._load(client, name)
            done = True
        except ModelNotServable as error:
            held.refuse(name, error)
        except GatewayError as error:
            if name not in held.served:
                held.wait_for(name)
            log.warning("model %s at %s can't be read yet: %s", name, client.address, error)
        self._update()
        return done

    async def _load(self, client: TritonClient, name: str) -> None:
        discovered = await discover(client, name)
        if discovered is None or not self._loader.serves(discovered):
            self._holdings[client].ignore(name)
            return
        self._tasks[name] = discovered.task
        if name in self._aliases:
            log.warning("%s is an alias in the settings, and a model that Triton has: the model is served", name)
        self._models[name] = await self._loader.load(client, discovered)
        self._holdings[client].serve(name)

    def _log_obstacles(self, client: TritonClient, before: Mapping[str, ModelNotServable]) -> None:
        """Tell the operator once of each obstacle, with all of its detail."""
        for name, why in self._holdings[client].obstacles.items():
            if name not in before or str(before[name]) != str(why):
                log.error("model %s at %s can't be served: %s", name, client.address, why)

    def _update(self) -> None:
        """Draw the conclusions from what the Tritons have: who serves a model, and which models nobody knows any more."""
        held = self._holdings
        known = frozenset[str]().union(*(one.known for one in held.values()))
        self._models = {name: model for name, model in self._models.items() if (model.base or name) in known}
        self._adapters = {key: names for key, names in self._adapters.items() if key[1] in held[key[0]].known}
        everywhere = frozenset[str]().union(*(one.served for one in held.values()))
        self._replicas = {
            name: tuple(client for client in self._clients if name in held[client].served) for name in everywhere
        }
