"""Has Triton load what lies in the repositories and is wanted, and nothing else; `known.py` has the states of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.errors import GatewayError
from gateway.repository.folders import ModelFolder, find_models
from gateway.repository.known import QUIET_ROUNDS, Due, Known
from gateway.repository.wanted import Wanted, change_wanted, read_wanted
from gateway.triton.client import ModelControlFailed, RepositoryModel
from gateway.triton.discovery import ASSETS

_AT_A_TIME: Final = 4
"""The smallest models begin, so that they serve before the large ones have loaded."""
_INTERVAL_S: Final = 1.0


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


class Reconciler:
    """One for a run of Triton, which starts without models, or for the rest of it. `say` prints a line for the operator."""

    def __init__(
        self, triton: Triton, repositories: Sequence[Path], state_dir: Path, say: Callable[[str], None]
    ) -> None:
        self._triton = triton
        self._repositories = repositories
        self._state_dir = state_dir
        self._say = say
        self._known: dict[Path, Known] = {}
        self._wanted = Wanted()
        self._is_first_round = True
        self._ready_at_start: frozenset[str] = frozenset()
        self._loads = asyncio.Semaphore(_AT_A_TIME)
        self._assets_settled = asyncio.Event()
        self._assets_settled.set()
        self._troubles: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled. Raises GatewayError when Triton can't be asked at the beginning."""
        await self.begin()
        async with asyncio.TaskGroup() as tasks:
            await asyncio.gather(*self.round(tasks))
            count = sum(known.loaded for known in self._known.values())
            self._say(f"done: {count} of {len(self._known)} models are loaded")
            while True:
                await asyncio.sleep(_INTERVAL_S)
                await self.heed_others()
                self.round(tasks)

    async def begin(self) -> None:
        """Learn what Triton has loaded: a reconciler before this one may have ended. Raises GatewayError."""
        self._ready_at_start = _names(await self._triton.repository_index(), "READY")

    def round(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Compare once, and begin to load and unload what is due. What lies there the first time counts as quiet."""
        seen = self._look()
        is_first, self._is_first_round = self._is_first_round, False
        if seen is None:
            return []
        folders, self._wanted = seen
        self._note(folders, self._wanted, is_first=is_first)
        work = [self._due(known, self._wanted) for known in self._known.values()]
        return [tasks.create_task(each) for each in work if each is not None]

    async def heed_others(self) -> None:
        """Somebody may have used Triton's own API. An unload stands, like one by ours; a load is noticed."""
        settled = [known for known in self._known.values() if not known.busy]
        try:
            index = await self._triton.repository_index()
        except GatewayError:
            return  # Triton is busy, or ends
        ready = _names(index, "READY")
        # A loaded model whose folder is gone is in no index: that is no unload, and Triton keeps it until we ask.
        unloaded = _names(index, "UNAVAILABLE", "UNLOADING") - ready
        for known in [known for known in settled if not known.busy]:
            name = known.folder.name
            if known.loaded and name in unloaded:
                known.loaded, known.unload_to_note = False, True
                self._say(f"unloaded {name}")
            elif not known.loaded and name in ready and self._wanted.is_wanted(known.folder.path):
                self._note_loaded(known, self._wanted)
        self._note_unloads()

    def _note_unloads(self) -> None:
        """Have what others have unloaded stay so at the next start, too. What can't be noted now is noted later."""
        for known in [known for known in self._known.values() if known.unload_to_note]:
            trouble = ""
            try:
                change_wanted(self._state_dir, lambda wanted, known=known: _without(wanted, known))
                known.unload_to_note = False
            except (OSError, ValueError) as error:
                trouble = f"that {known.folder.name} is unloaded can't be noted for the next start: {error}"
            self._tell(f"{known.folder.path} in the file", trouble)

    def _due(self, known: Known, wanted: Wanted) -> Coroutine[Any, Any, None] | None:
        """What there is to do for one model, already marked as begun."""
        due = known.due(wanted)
        if due is Due.NOTHING:
            return None
        known.busy = True
        if due is Due.UNLOAD:
            return self._unload(known)
        known.note_try(wanted)
        if known.folder.name == ASSETS:
            self._assets_settled.clear()
        return self._load(known)

    def _look(self) -> tuple[list[ModelFolder], Wanted] | None:
        """None, with a word for the operator, where something can't be read: then everything stays as it is."""
        try:
            seen = find_models(self._repositories), read_wanted(self._state_dir)
        except (OSError, ValueError) as error:
            self._tell("look", f"all models stay as they are: {error}")
            return None
        self._tell("look", "")
        return seen

    def _note(self, folders: Sequence[ModelFolder], wanted: Wanted, *, is_first: bool) -> None:
        for known in self._known.values():
            known.gone = True
        for folder in folders:
            if (known := self._known.get(folder.path)) is None:
                known = self._known[folder.path] = self._new(folder, wanted, is_first=is_first)
            known.see(folder, wanted)
            self._name_flaw(known)
        self._known = {path: known for path, known in self._known.items() if not known.is_forgotten}

    def _new(self, folder: ModelFolder, wanted: Wanted, *, is_first: bool) -> Known:
        known = Known(folder, quiet_rounds=QUIET_ROUNDS if is_first else 0)
        if is_first and folder.name in self._ready_at_start:
            self._note_loaded(known, wanted)
        return known

    def _note_loaded(self, known: Known, wanted: Wanted) -> None:
        """Triton has it already, by somebody else's doing."""
        known.loaded = True
        known.note_try(wanted)
        self._say(f"loaded {known.folder.name}")

    def _name_flaw(self, known: Known) -> None:
        if known.folder.flaw and known.folder.flaw != known.named:
            self._say(f"refused {known.folder.name}: {known.folder.flaw}")
        known.named = known.folder.flaw

    def _tell(self, of: str, trouble: str) -> None:
        """Tell a trouble when it is new; an empty one has passed."""
        if trouble and trouble != self._troubles.get(of):
            self._say(f"trouble: {trouble}")
        self._troubles[of] = trouble

    async def _load(self, known: Known) -> None:
        is_assets = known.folder.name == ASSETS
        if not is_assets:
            # The gateway reads their tokenizers through it, and would call them broken until it is there.
            await self._assets_settled.wait()
        async with self._loads:
            self._say(f"loading {known.folder.name}")
            try:
                await self._triton.load_model(known.folder.name)
                known.loaded = True
                self._say(f"loaded {known.folder.name}")
            except ModelControlFailed as error:
                # What was loaded before goes on: Triton replaces it only by what has loaded.
                rounds = known.note_failure(may_pass=error.may_pass)
                again = "" if rounds is None else f"; it is tried again in {rounds * _INTERVAL_S:.0f} s"
                self._say(f"failed {known.folder.name}: {error}{again}")
            finally:
                known.busy = False
                if is_assets:
                    self._assets_settled.set()

    async def _unload(self, known: Known) -> None:
        trouble = ""
        try:
            await self._triton.unload_model(known.folder.name)
            known.loaded, known.tried = False, None
            self._say(f"unloaded {known.folder.name}")
        except ModelControlFailed as error:
            trouble = f"{known.folder.name} can't be unloaded: {error}"
        finally:
            known.busy = False
        self._tell(f"{known.folder.path} in Triton", trouble)


def _names(index: Iterable[RepositoryModel], *states: str) -> frozenset[str]:
    """The models that have a version in one of these states."""
    return frozenset(model.name for model in index if model.state in states)


def _without(wanted: Wanted, known: Known) -> Wanted:
    """With the model unloaded, unless somebody has asked for it meanwhile."""
    return wanted if known.was_asked_for(wanted) else wanted.unload(known.folder.path)
