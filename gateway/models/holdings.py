"""What one Triton has of each model, by what it said when it last answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from gateway.models.served import ModelNotServable
from gateway.triton.client import RepositoryModel

UNLOADED_REASONS = ("", "unloaded")
"""What Triton says of a version that nobody has loaded, or that was unloaded."""


class State(IntEnum):
    """What Triton says of a model. If its versions differ, the highest state counts."""

    GONE = 0
    NEVER_LOADED = 1
    FAILED = 2
    LOADING = 3
    READY = 4


def state_of(model: RepositoryModel) -> State:
    """The state of one version. A failed load has a reason; an unloaded version has none, or the word `unloaded`."""
    if model.is_ready:
        return State.READY
    if model.state == "LOADING":
        return State.LOADING
    if not model.state:
        return State.NEVER_LOADED
    failed = model.state == "UNAVAILABLE" and model.reason not in UNLOADED_REASONS
    return State.FAILED if failed else State.GONE


@dataclass(frozen=True, slots=True)
class Repository:
    """The models of a Triton by their state, and what Triton says of those that failed."""

    states: Mapping[str, State]
    reasons: Mapping[str, str]
    ready: frozenset[tuple[str, str]]

    def named(self, *states: State) -> frozenset[str]:
        """The names of the models in one of these states."""
        return frozenset(name for name, state in self.states.items() if state in states)

    def failures(self) -> dict[str, ModelNotServable]:
        """The models that Triton could not load. Triton's reason may hold paths, so only the log gets it."""
        failed = self.named(State.FAILED)
        return {name: ModelNotServable("Triton could not load it", self.reasons[name]) for name in failed}


def read_index(index: Iterable[RepositoryModel]) -> Repository:
    """The repository that Triton's index describes, which has an entry for each version of a model."""
    states: dict[str, State] = {}
    reasons: dict[str, str] = {}
    ready: set[tuple[str, str]] = set()
    for model in index:
        state = state_of(model)
        states[model.name] = max(state, states.get(model.name, State.GONE))
        if state is State.FAILED:
            reasons[model.name] = model.reason
        if state is State.READY:
            ready.add((model.name, model.version))
    return Repository(states, reasons, frozenset(ready))


@dataclass(slots=True)
class Holdings:
    """What the gateway has made of a Triton's models.

    `seen` has the names and versions that need no second look. `served` has the models that Triton can be asked for now.
    `known` has these and the ones that were served before Triton went away. `loading` has the models that are being
    added, and `obstacles` says why others can't be served. `descriptions` and `finished` are what the served ones said of
    themselves last, and how many requests they had finished: by these a new load shows, which Triton's index does not.
    """

    seen: frozenset[tuple[str, str]] = frozenset()
    served: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    loading: frozenset[str] = frozenset()
    obstacles: dict[str, ModelNotServable] = field(default_factory=dict[str, ModelNotServable])
    descriptions: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    finished: dict[str, int] = field(default_factory=dict[str, int])

    def lose(self) -> None:
        """Triton does not answer. Its models stay known, because they may come back with it."""
        self.seen = frozenset()
        self.served = frozenset()
        self.descriptions, self.finished = {}, {}

    def take(self, repository: Repository) -> None:
        """Triton has answered. Forget the models that it has no more.

        A model that was served and was never loaded by this process of Triton's stays known: Triton has been restarted.
        """
        stays = repository.named(State.READY, State.LOADING, State.NEVER_LOADED)
        ready = repository.named(State.READY)
        self.seen &= repository.ready
        self.served &= ready
        self.descriptions = {name: said for name, said in self.descriptions.items() if name in ready}
        self.known &= stays
        self.loading = repository.named(State.LOADING) | (self.loading & ready)
        self.obstacles = {name: why for name, why in self.obstacles.items() if name in ready} | repository.failures()

    def serve(self, name: str) -> None:
        """The model can be asked for."""
        self.loading -= {name}
        self.obstacles.pop(name, None)
        self.served |= {name}
        self.known |= {name}

    def wait_for(self, name: str) -> None:
        """The model can't be read now, and the next look may succeed."""
        self.obstacles.pop(name, None)
        self.served -= {name}
        self.loading |= {name}

    def refuse(self, name: str, obstacle: ModelNotServable) -> None:
        """The model can't be served until somebody mends it."""
        self.loading -= {name}
        self.served -= {name}
        self.known -= {name}
        self.obstacles[name] = obstacle
        self._see_again(name)

    def describe(self, name: str, description: Mapping[str, Any]) -> bool:
        """The model says this of itself. Whether it has been loaded anew since it last said something: then it needs another
        look."""
        anew = self.descriptions.get(name, description) != description
        if anew:
            self._see_again(name)
        self.descriptions[name] = description
        return anew

    def count(self, finished: Mapping[str, int]) -> list[str]:
        """The models have finished so many requests. Those that have been loaded anew, by which the count begins anew: they
        need another look. What counts up to the old number within one interval is not noticed."""
        anew = [name for name in sorted(self.served) if finished.get(name, 0) < self.finished.get(name, 0)]
        for name in anew:
            self._see_again(name)
        self.finished = {name: finished.get(name, 0) for name in self.served}
        return anew

    def _see_again(self, name: str) -> None:
        self.seen = frozenset(seen for seen in self.seen if seen[0] != name)

    def ignore(self, name: str) -> None:
        """The model is none of the gateway's."""
        self.loading -= {name}
        self.known -= {name}
        self.obstacles.pop(name, None)
