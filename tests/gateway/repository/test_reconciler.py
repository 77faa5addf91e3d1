"""Twin of gateway/repository/reconciler.py: over folders on the disk, and a Triton that only notes what it is asked."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.repository.reconciler import Reconciler
from gateway.repository.wanted import read_wanted, write_wanted
from gateway.triton.client import ModelControlFailed, RepositoryModel

pytestmark = pytest.mark.anyio


class NotingTriton:
    """The models that it has loaded, and every call; names in `broken` fail to load.

    Like Triton's, its index has only what lies in the repository: a model that is loaded and has no folder is not in it.
    """

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.loaded: set[str] = set()
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.away = False

    async def repository_index(self) -> list[RepositoryModel]:
        if self.away:
            raise Unavailable("away")
        return [
            RepositoryModel(name, "1", "READY", "") for name in sorted(self.loaded) if (self.repository / name).is_dir()
        ]

    async def load_model(self, name: str) -> None:
        self.calls.append(f"load {name}")
        if name in self.broken:
            raise ModelControlFailed("no weights")
        self.loaded.add(name)

    async def unload_model(self, name: str) -> None:
        self.calls.append(f"unload {name}")
        self.loaded.discard(name)


class World:
    """A repository with the models `small` and `large`, a state folder, a Triton, and a reconciler between them."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.state = folder / "repository", folder / "state"
        self.triton = NotingTriton(self.repository)
        self.said: list[str] = []
        for name, size in (("large", 100), ("small", 1)):
            self.add(name, size)
        self.reconciler = self.new_reconciler()

    def new_reconciler(self) -> Reconciler:
        return Reconciler(self.triton, [self.repository], self.state, self.said.append)

    def add(self, name: str, size: int = 1) -> None:
        (self.repository / name / "1").mkdir(parents=True, exist_ok=True)
        (self.repository / name / "1" / "model.bin").write_bytes(b"x" * size)

    def say(self, action: str, name: str) -> None:
        wanted = read_wanted(self.state)
        change = wanted.load if action == "load" else wanted.unload
        write_wanted(self.state, change(self.repository / name))

    async def start(self) -> None:
        ready = set(self.triton.loaded)
        async with asyncio.TaskGroup() as tasks:
            self.reconciler.round(tasks, at_start=ready)

    async def rounds(self, count: int = 1) -> list[str]:
        """What Triton is asked in so many rounds."""
        self.triton.calls.clear()
        for _ in range(count):
            await self.reconciler.heed_unloads()
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
    world.reconciler, world.triton.loaded = world.new_reconciler(), set()
    await world.start()
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
    """A reconciler that is started again finds its predecessor's work."""
    await world.start()
    world.reconciler = world.new_reconciler()
    world.triton.calls.clear()
    await world.start()
    assert await world.rounds(2) == []


async def test_what_cannot_be_read_changes_nothing(world: World) -> None:
    """Said once; a repository may be on a disk that comes back."""
    await world.start()
    aside = world.repository.rename(world.repository.with_name("aside"))
    assert await world.rounds(3) == []
    assert len([line for line in world.said if line.startswith("trouble: ")]) == 1
    aside.rename(world.repository)
    assert await world.rounds(2) == []


async def test_a_triton_that_is_busy_is_asked_later(world: World) -> None:
    """Its silence says nothing of its models."""
    await world.start()
    world.triton.away = True
    assert await world.rounds(2) == []
    assert read_wanted(world.state).is_wanted(world.repository / "small")
