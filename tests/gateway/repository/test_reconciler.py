"""Twin of gateway/repository/reconciler.py: over folders on the disk, and a Triton that only notes what it is asked."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.repository.known import RETRY_ROUNDS
from gateway.repository.reconciler import Reconciler
from gateway.repository.wanted import change_wanted, read_wanted
from gateway.triton.client import ModelControlFailed, RepositoryModel

pytestmark = pytest.mark.anyio


class NotingTriton:
    """The models that it has loaded, and every call. Like the real one, it lists what lies in its repository now.

    Names in `broken` fail to load, those in `killed` lose their process in it, those in `stuck` do not unload, and those in
    `slow` load when their event is set.
    """

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.loaded: set[str] = set()
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.killed: set[str] = set()
        self.stuck: set[str] = set()
        self.slow: dict[str, asyncio.Event] = {}
        self.away = False

    async def repository_index(self) -> list[RepositoryModel]:
        if self.away:
            raise Unavailable("away")
        there = [path.name for path in self.repository.iterdir()] if self.repository.exists() else []
        index = [RepositoryModel(name, "1", "READY", "") for name in there if name in self.loaded]
        return index + [
            RepositoryModel(name, "1", "UNAVAILABLE", "unloaded") for name in there if name not in self.loaded
        ]

    async def load_model(self, name: str) -> None:
        self.calls.append(f"load {name}")
        if name in self.slow:
            await self.slow[name].wait()
        if name in self.broken | self.killed:
            raise ModelControlFailed("no weights", may_pass=name in self.killed)
        self.loaded.add(name)

    async def unload_model(self, name: str) -> None:
        self.calls.append(f"unload {name}")
        if name in self.stuck:
            raise ModelControlFailed("busy")
        self.loaded.discard(name)


class World:
    """A repository with the models `small` and `large`, a state folder, a Triton, and a reconciler between them."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.state = folder / "repository", folder / "state"
        self.triton = NotingTriton(self.repository)
        self.said: list[str] = []
        for name, size in (("large", 100), ("small", 1)):
            self.add(name, size)
        self.reconciler = Reconciler(self.triton, [self.repository], self.state, self.said.append)

    def add(self, name: str, size: int = 1) -> None:
        (self.repository / name / "1").mkdir(parents=True, exist_ok=True)
        (self.repository / name / "1" / "model.bin").write_bytes(b"x" * size)

    def say(self, action: str, name: str) -> None:
        path = self.repository / name
        change_wanted(self.state, lambda wanted: wanted.load(path) if action == "load" else wanted.unload(path))

    async def start(self) -> None:
        await self.reconciler.begin()
        async with asyncio.TaskGroup() as tasks:
            self.reconciler.round(tasks)

    async def restart(self) -> None:
        """Another reconciler takes over from this one, beside the same Triton."""
        self.reconciler = Reconciler(self.triton, [self.repository], self.state, self.said.append)
        self.triton.calls.clear()
        await self.start()

    def troubles(self) -> list[str]:
        return [line for line in self.said if line.startswith("trouble: ")]

    async def rounds(self, count: int = 1) -> list[str]:
        """What Triton is asked in so many rounds."""
        self.triton.calls.clear()
        for _ in range(count):
            await self.reconciler.heed_others()
            async with asyncio.TaskGroup() as tasks:
                self.reconciler.round(tasks)
        return list(self.triton.calls)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_all_are_loaded_the_smallest_first(world: World) -> None:
    """And then nothing is asked of Triton any more."""
    await world.start()
    assert world.triton.calls == ["load small", "load large"]
    assert world.said == ["loading small", "loaded small", "loading large", "loaded large"]
    assert await world.rounds(3) == []


async def test_one_that_fails_harms_no_other_and_is_tried_again_when_it_changes(world: World) -> None:
    """Not before, and not while its files are still being written."""
    world.triton.broken = {"small"}
    await world.start()
    assert world.triton.loaded == {"large"}
    assert "failed small: no weights" in world.said
    assert await world.rounds(3) == []
    world.triton.broken = set()
    world.add("small", 2)
    assert await world.rounds(1) == []
    world.add("small", 3)
    assert await world.rounds(2) == []
    assert await world.rounds(1) == ["load small"]


async def test_an_added_model_comes_up_when_it_is_quiet(world: World) -> None:
    """A copy takes time."""
    await world.start()
    world.add("new")
    assert await world.rounds(2) == ["load new"]


async def test_a_loaded_model_that_changes_stays_until_it_is_loaded(world: World) -> None:
    """Half a copy must not replace what works."""
    await world.start()
    world.add("small", 5)
    assert await world.rounds(4) == []
    world.say("load", "small")
    assert await world.rounds(2) == ["load small"]


async def test_an_unload_stands_until_a_load(world: World) -> None:
    """Over a new start of Triton too."""
    await world.start()
    world.say("unload", "large")
    assert await world.rounds(2) == ["unload large"]
    world.triton.loaded = set()
    await world.restart()
    assert world.triton.loaded == {"small"}
    world.say("load", "large")
    assert await world.rounds(2) == ["load large"]


async def test_an_unload_by_tritons_own_api_stands_too(world: World) -> None:
    """It is noted as ours would be."""
    await world.start()
    world.triton.loaded.discard("small")
    assert await world.rounds(3) == []
    assert not read_wanted(world.state).is_wanted(world.repository / "small")
    assert world.said[-1] == "unloaded small"


async def test_a_model_whose_folder_goes_is_unloaded(world: World) -> None:
    """Triton would keep it."""
    await world.start()
    shutil.rmtree(world.repository / "small")
    assert await world.rounds(2) == ["unload small"]
    assert read_wanted(world.state).is_wanted(world.repository / "small")
    world.add("small")
    assert await world.rounds(3) == ["load small"]


async def test_a_flaw_is_named_once_and_not_loaded(world: World) -> None:
    """The others are."""
    world.add("a model")
    await world.start()
    await world.rounds(3)
    assert [line for line in world.said if line.startswith("refused a model: ")] == [world.said[0]]
    assert world.triton.loaded == {"small", "large"}


async def test_what_triton_has_already_is_not_loaded_again(world: World) -> None:
    """A reconciler that is started again finds its predecessor's work, and says so."""
    await world.start()
    world.said.clear()
    await world.restart()
    assert world.triton.calls == await world.rounds(2) == []
    assert sorted(world.said) == ["loaded large", "loaded small"]


async def test_a_load_after_a_new_start_of_the_reconciler_loads_anew(world: World) -> None:
    """Once; files that were changed before are no reason."""
    world.say("load", "small")
    await world.start()
    world.add("large", 5)
    await world.restart()
    assert await world.rounds(4) == []
    world.say("load", "small")
    assert await world.rounds(3) == ["load small"]


async def test_a_new_start_beside_a_folder_that_cannot_be_read_loads_nothing_again(world: World) -> None:
    """What is loaded is known from Triton, when the folder is back."""
    await world.start()
    aside = world.repository.rename(world.repository.with_name("aside"))
    await world.restart()
    assert await world.rounds(2) == []
    aside.rename(world.repository)
    assert await world.rounds(4) == []


async def test_assets_are_there_before_those_that_need_them(world: World) -> None:
    """However small the others are: without `assets` the gateway would call an embedder broken."""
    world.add("assets", 5000)
    world.triton.slow["assets"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        await world.reconciler.begin()
        work = world.reconciler.round(tasks)
        await asyncio.wait(work, timeout=0.1)
        assert world.triton.calls == ["load assets"]
        world.triton.slow["assets"].set()
    assert world.triton.calls == ["load assets", "load small", "load large"]


async def test_assets_that_fail_keep_no_other_back(world: World) -> None:
    """Language models do not need them."""
    world.add("assets")
    world.triton.broken = {"assets"}
    await world.start()
    assert world.triton.loaded == {"small", "large"}


async def test_a_model_whose_process_was_killed_is_tried_again(world: World) -> None:
    """After a while, and nobody else is touched; the operator reads when."""
    world.triton.killed = {"small"}
    await world.start()
    assert f"failed small: no weights; it is tried again in {RETRY_ROUNDS[0]} s" in world.said
    assert await world.rounds(RETRY_ROUNDS[0] - 1) == []
    world.triton.killed = set()
    assert await world.rounds(1) == ["load small"]
    assert world.triton.loaded == {"small", "large"}
    assert await world.rounds(sum(RETRY_ROUNDS)) == []


async def test_a_load_by_tritons_own_api_is_noticed(world: World) -> None:
    """The model is one that is loaded, and can be unloaded by us."""
    world.triton.broken = {"small"}
    await world.start()
    world.triton.loaded.add("small")
    assert await world.rounds(1) == []
    assert world.said[-1] == "loaded small"
    world.say("unload", "small")
    assert await world.rounds(1) == ["unload small"]


async def test_a_load_by_tritons_own_api_of_an_unwanted_model_stays_theirs(world: World) -> None:
    """It is not unloaded behind their back."""
    world.say("unload", "small")
    await world.start()
    world.triton.loaded.add("small")
    assert await world.rounds(3) == []


@pytest.mark.parametrize("trouble", ["write", "read"])
async def test_an_unload_that_cannot_be_noted_stands_all_the_same(world: World, trouble: str) -> None:
    """It is told once, tried again, and noted when that works; nothing is loaded again meanwhile."""
    await world.start()
    world.triton.loaded.discard("small")
    if trouble == "write":
        world.state.write_text("a file where the folder should be")
    else:
        world.state.mkdir()
        (world.state / "models.json").write_text("not ours")
    assert await world.rounds(5) == []
    assert len([line for line in world.troubles() if "small" in line]) == 1
    world.state.unlink() if trouble == "write" else (world.state / "models.json").unlink()
    assert await world.rounds(3) == []
    assert not read_wanted(world.state).is_wanted(world.repository / "small")
    assert len([line for line in world.troubles() if "small" in line]) == 1
    await world.restart()
    assert world.triton.calls == []


async def test_a_load_overrides_an_unload_that_could_not_be_noted(world: World) -> None:
    """Whoever said it, said it later."""
    await world.start()
    world.triton.loaded.discard("small")
    world.state.mkdir()
    (world.state / "models.json").mkdir()
    assert await world.rounds(2) == []
    (world.state / "models.json").rmdir()
    world.say("load", "small")
    assert await world.rounds(1) == ["load small"]
    assert read_wanted(world.state).is_wanted(world.repository / "small")


async def test_what_does_not_unload_is_told_once(world: World) -> None:
    """And tried until it does."""
    await world.start()
    world.triton.stuck = {"small"}
    world.say("unload", "small")
    assert await world.rounds(3) == ["unload small"] * 3
    assert world.troubles() == ["trouble: small can't be unloaded: busy"]
    world.triton.stuck = set()
    assert await world.rounds(2) == ["unload small"]


async def test_what_cannot_be_read_changes_nothing(world: World) -> None:
    """Said once; a repository may be on a disk that comes back."""
    await world.start()
    aside = world.repository.rename(world.repository.with_name("aside"))
    assert await world.rounds(3) == []
    assert len(world.troubles()) == 1
    aside.rename(world.repository)
    assert await world.rounds(2) == []


async def test_a_triton_that_is_busy_is_asked_later(world: World) -> None:
    """Its silence says nothing of its models."""
    await world.start()
    world.triton.away = True
    assert await world.rounds(2) == []
    assert read_wanted(world.state).is_wanted(world.repository / "small")
