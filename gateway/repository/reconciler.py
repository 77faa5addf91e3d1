"""Has Triton load what lies in the repositories and is wanted, and nothing else.

    a folder ──flaw──► named, not loaded
       │ quiet                          failed ──its files change, or `load`──► once more
       ▼                                  ▲
    loading ──────────────────────────────┴──► loaded ──`load`──► loading
                                                  └──folder gone, or `unload`──► unloaded

A loaded model whose files change stays as it is until somebody loads it: half a copy must not replace what works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.errors import GatewayError
from gateway.repository.folders import ModelFolder, find_models
from gateway.repository.wanted import Wanted, read_wanted, write_wanted
from gateway.triton.client import ModelControlFailed, RepositoryModel

_AT_A_TIME: Final = 4
"""The smallest models begin, so that they serve before the large ones have loaded."""
_INTERVAL_S: Final = 1.0
_QUIET_ROUNDS: Final = 2
"""So many rounds in a row the files of a model that comes later must be the same before it is loaded."""


class Triton(Protocol):
    """What is needed of a TritonClient."""

    async def repository_index(self) -> list[RepositoryModel]:
        """Every model in Triton's repositories. Raises GatewayError."""
        ...

    async def load_model(self, name: str) -> None:
        """Load a model, or load it anew. Raises ModelControlFailed."""
        ...

    async def unload_model(self, name: str) -> None:
        """Unload a model. Raises ModelControlFailed."""
        ...


@dataclass(slots=True)
class _Known:
    """What this run knows of one model."""

    folder: ModelFolder
    quiet_rounds: int = 0
    tried: tuple[int, int] | None = None
    """Fingerprint and count of `load` at the last try."""
    loaded: bool = False
    busy: bool = False
    named: str = ""
    """The flaw that was named last."""


class Reconciler:
    """One for a run of Triton, which starts without models. `say` prints a line for the operator."""

    def __init__(
        self, triton: Triton, repositories: Sequence[Path], state_dir: Path, say: Callable[[str], None]
    ) -> None:
        self._triton = triton
        self._repositories = repositories
        self._state_dir = state_dir
        self._say = say
        self._known: dict[Path, _Known] = {}
        self._loads = asyncio.Semaphore(_AT_A_TIME)
        self._trouble = ""

    async def run(self) -> None:
        """Until cancelled. Raises GatewayError when Triton can't be asked at the beginning."""
        ready = await self._ready()
        async with asyncio.TaskGroup() as tasks:
            await asyncio.gather(*self.round(tasks, at_start=ready))
            count = sum(known.loaded for known in self._known.values())
            self._say(f"done: {count} of {len(self._known)} models are loaded")
            while True:
                await asyncio.sleep(_INTERVAL_S)
                await self.heed_unloads()
                self.round(tasks)

    def round(self, tasks: asyncio.TaskGroup, *, at_start: Collection[str] | None = None) -> list[asyncio.Task[None]]:
        """Compare once, and begin to load and unload what is due. The first time has, as `at_start`, what Triton has loaded
        already; what lies in the folders then counts as quiet."""
        seen = self._look()
        if seen is None:
            return []
        folders, wanted = seen
        self._note(folders, at_start)
        work = [self._due(known, wanted) for known in self._known.values() if not known.busy]
        return [tasks.create_task(each) for each in work if each is not None]

    async def heed_unloads(self) -> None:
        """Somebody may have unloaded a model by Triton's own API: that stands, like an unload by ours.

        A model without a folder is in no index of Triton's, loaded or not: `round` unloads it.
        """
        settled = [known for known in self._known.values() if known.loaded and not known.busy]
        try:
            ready = await self._ready()
        except GatewayError:
            return  # Triton is busy, or ends
        for known in settled:
            if known.folder.name in ready or not known.folder.path.is_dir():
                continue
            if known.loaded and not known.busy:
                known.loaded = False
                self._say(f"unloaded {known.folder.name}")
                write_wanted(self._state_dir, read_wanted(self._state_dir).unload(known.folder.path))

    async def _ready(self) -> set[str]:
        return {model.name for model in await self._triton.repository_index() if model.is_ready}

    def _due(self, known: _Known, wanted: Wanted) -> Coroutine[Any, Any, None] | None:
        """What there is to do for one model, already marked as begun."""
        if known.loaded and not (known.folder.path.is_dir() and wanted.is_wanted(known.folder.path)):
            known.busy = True
            return self._unload(known)
        if self._may_load(known, wanted):
            known.busy, known.tried = True, _try_of(known, wanted)
            return self._load(known)
        return None

    def _look(self) -> tuple[list[ModelFolder], Wanted] | None:
        """None, with a word for the operator, where something can't be read: then everything stays as it is."""
        try:
            seen = find_models(self._repositories), read_wanted(self._state_dir)
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:
                self._say(f"trouble: {error}")
            self._trouble = str(error)
            return None
        self._trouble = ""
        return seen

    def _note(self, folders: Sequence[ModelFolder], at_start: Collection[str] | None) -> None:
        there = {folder.path for folder in folders}
        self._known = {
            path: known for path, known in self._known.items() if path in there or known.loaded or known.busy
        }
        for folder in folders:
            if (known := self._known.get(folder.path)) is None:
                known = self._known[folder.path] = _Known(folder)
                known.quiet_rounds = 0 if at_start is None else _QUIET_ROUNDS
                known.loaded = folder.name in (at_start or ())
            same = known.folder.fingerprint == folder.fingerprint
            known.quiet_rounds = known.quiet_rounds + 1 if same else 0
            known.folder = folder
            self._name_flaw(known)

    def _name_flaw(self, known: _Known) -> None:
        if known.folder.flaw and known.folder.flaw != known.named:
            self._say(f"refused {known.folder.name}: {known.folder.flaw}")
        known.named = known.folder.flaw

    @staticmethod
    def _may_load(known: _Known, wanted: Wanted) -> bool:
        if known.folder.flaw or known.quiet_rounds < _QUIET_ROUNDS or not wanted.is_wanted(known.folder.path):
            return False
        now = _try_of(known, wanted)
        if known.loaded:
            return known.tried is not None and known.tried[1] != now[1]
        return known.tried != now

    async def _load(self, known: _Known) -> None:
        async with self._loads:
            self._say(f"loading {known.folder.name}")
            try:
                await self._triton.load_model(known.folder.name)
                known.loaded = True
                self._say(f"loaded {known.folder.name}")
            except ModelControlFailed as error:
                # What was loaded before goes on: Triton replaces it only by what has loaded.
                self._say(f"failed {known.folder.name}: {error}")
            finally:
                known.busy = False

    async def _unload(self, known: _Known) -> None:
        self._say(f"unloading {known.folder.name}")
        try:
            await self._triton.unload_model(known.folder.name)
            known.loaded, known.tried = False, None
            self._say(f"unloaded {known.folder.name}")
        except ModelControlFailed as error:
            self._say(f"failed {known.folder.name}: it can't be unloaded: {error}")
        finally:
            known.busy = False


def _try_of(known: _Known, wanted: Wanted) -> tuple[int, int]:
    return known.folder.fingerprint, wanted.loads.get(str(known.folder.path), 0)
