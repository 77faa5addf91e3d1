"""Health: an answer that came back."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.models import health as module
from gateway.models.health import Health, LastSuccess
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, Call, Message
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


def health(
    pair: Pair, folder: Path, *, required: tuple[str, ...] = (), fresh_s: float = 60, stale_s: float = 120
) -> Health:
    return Health(pair.catalog, folder, required=required, fresh_s=fresh_s, stale_s=stale_s)


def readiness(watch: Health) -> dict[str, bool]:
    return {model.model: model.ready for model in watch.report()}


@asynccontextmanager
async def watching(*watches: Health) -> AsyncGenerator[None, None]:
    tasks = [asyncio.create_task(watch.keep_watch()) for watch in watches]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


def chat_calls(pair: Pair) -> list[Call]:
    return [call for triton in pair.tritons for call in triton.calls]


async def test_success_counts(pair: Pair, tmp_path: Path) -> None:
    """For the model that had it, for as long as it is fresh."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path, stale_s=0.1)
    assert readiness(watch) == dict.fromkeys([CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL], False)
    watch.succeeded(CHAT_MODEL)
    assert readiness(watch)[CHAT_MODEL]
    assert not readiness(watch)[EMBEDDING_MODEL]
    assert not watch.is_lost(CHAT_MODEL)
    await until(lambda: not readiness(watch)[CHAT_MODEL])
    assert watch.is_lost(CHAT_MODEL)
    assert not watch.is_lost(EMBEDDING_MODEL), "one that never answered may be starting"


async def test_silent_models_are_probed(pair: Pair, tmp_path: Path) -> None:
    """One token, or one short text, each; then nothing while the success is fresh."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path)
    async with watching(watch):
        await until(lambda: all(readiness(watch).values()))
        await asyncio.sleep(1.2)  # another look
    [call] = chat_calls(pair)
    assert call.body["max_tokens"] == 1
    assert len(pair.tritons[0].inferred) + len(pair.tritons[1].inferred) == 2


async def test_models_in_use_are_not_probed(pair: Pair, tmp_path: Path) -> None:
    """Their own answers prove enough."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path)
    for model in (CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL):
        watch.succeeded(model)
    async with watching(watch):
        await asyncio.sleep(0.1)
    assert chat_calls(pair) == []


async def test_overload_is_health(pair: Pair, tmp_path: Path) -> None:
    """A model that refuses to protect its queue is at work; one that fails is not."""
    await pair.catalog.refresh()

    def says(kind: str) -> Any:
        def script(call: Call) -> Iterator[Message]:
            yield [call.error(kind)]

        return script

    for kind, healthy in (("overloaded", True), ("internal", False)):
        for triton in pair.tritons:
            triton.reset()
            triton.script = says(kind)
        watch = health(pair, tmp_path / kind)
        async with watching(watch):
            await until(lambda: bool(chat_calls(pair)))
            await until(lambda watch=watch: readiness(watch)[EMBEDDING_MODEL])
            if healthy:
                await until(lambda watch=watch: readiness(watch)[CHAT_MODEL])
            assert readiness(watch)[CHAT_MODEL] is healthy


async def test_one_probe_a_host(pair: Pair, tmp_path: Path) -> None:
    """Two workers on one folder: one asks, both know."""
    await pair.catalog.refresh()
    watches = [health(pair, tmp_path) for _ in range(2)]

    def slow(call: Call) -> Iterator[Message]:
        time.sleep(0.3)  # long enough for the other to look
        yield [call.accepted(), call.end()]

    for triton in pair.tritons:
        triton.script = slow
    async with watching(*watches):
        await until(lambda: all(all(readiness(watch).values()) for watch in watches))
    assert len(chat_calls(pair)) == 1


async def test_required_models_make_the_report(pair: Pair, tmp_path: Path) -> None:
    """Those and no others, also when no Triton has them; the rest is watched all the same."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path, required=(CHAT_MODEL, "missing"))
    async with watching(watch):
        await until(lambda: readiness(watch) == {CHAT_MODEL: True, "missing": False})
        await until(lambda: len(pair.tritons[0].inferred) + len(pair.tritons[1].inferred) == 2)


@pytest.fixture
def many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch looks a hundred times a second."""
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)


async def test_missing_model_is_told_once_and_not_asked(
    pair: Pair, tmp_path: Path, many_looks: None, caplog: pytest.LogCaptureFixture
) -> None:
    """When it is missed, and when it is there."""
    caplog.set_level("INFO")
    await pair.catalog.refresh()
    watch = health(pair, tmp_path, required=("toy-reranker",))
    try:
        async with watching(watch):
            await until(lambda: "toy-reranker is not served: missing" in caplog.text)
            await asyncio.sleep(0.2)
            assert caplog.text.count("toy-reranker") == 1
            assert not (tmp_path / b"toy-reranker".hex()).with_suffix(".lock").exists(), "nobody wanted to probe"
            pair.tritons[1].ready.append("toy-reranker")
            await pair.catalog.refresh()
            await until(watch.is_ready)
        assert caplog.text.count("required model toy-reranker is well again") == 1
    finally:
        pair.tritons[1].ready.remove("toy-reranker")


async def test_before_the_first_look_nothing_is_missed(
    pair: Pair, tmp_path: Path, many_looks: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Every start would begin with a complaint."""
    async with watching(health(pair, tmp_path, required=(CHAT_MODEL,))):
        await asyncio.sleep(0.2)
    assert CHAT_MODEL not in caplog.text


async def test_failing_probe_is_told_once(
    pair: Pair, tmp_path: Path, many_looks: None, caplog: pytest.LogCaptureFixture
) -> None:
    """However often the model is asked."""
    await pair.catalog.refresh()

    def fails(call: Call) -> Iterator[Message]:
        yield [call.error("internal")]

    for triton in pair.tritons:
        triton.script = fails

    def told() -> int:
        return caplog.text.count("does not answer the probe")

    async with watching(health(pair, tmp_path)):
        await until(lambda: told() > 0 and len(chat_calls(pair)) > 3)
    assert told() == 1


async def test_model_whose_tritons_are_away_is_not_asked(
    pair: Pair, tmp_path: Path, many_looks: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is known and not ready; each try would say the same."""
    await pair.catalog.refresh()
    for triton in pair.tritons:
        triton.ready.remove(CHAT_MODEL)
        triton.unready = [(CHAT_MODEL, "", "")]
    try:
        await pair.catalog.refresh()
        watch = health(pair, tmp_path)
        async with watching(watch):
            await until(lambda: readiness(watch)[EMBEDDING_MODEL])
            await asyncio.sleep(0.2)
        assert readiness(watch)[CHAT_MODEL] is False
        assert "does not answer the probe" not in caplog.text
    finally:
        for triton in pair.tritons:
            triton.unready = []
            triton.ready.insert(0, CHAT_MODEL)


async def test_required_adapter_is_asked_where_it_is(pair: Pair, tmp_path: Path) -> None:
    """It is ready when it has answered, on a Triton that has it."""
    pair.tritons[0].loras, pair.tritons[1].loras = [], ["poet"]
    await pair.catalog.refresh()
    watch = health(pair, tmp_path, required=("poet",))
    async with watching(watch):
        await until(watch.is_ready)
    assert [call.envelope["lora"] for call in pair.tritons[1].calls if "lora" in call.envelope] == ["poet"]
    pair.tritons[1].loras = []
    await pair.catalog.refresh()
    assert not watch.is_ready()


async def test_added_model_does_not_undo_readiness(pair: Pair, tmp_path: Path) -> None:
    """While it is loaded, and until its first answer, it is reported and does not count; one that is broken never does."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path)
    assert not watch.is_ready()
    for model in (CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL):
        watch.succeeded(model)
    assert watch.is_ready()
    triton = pair.tritons[1]
    try:
        triton.unready = [("coming", "LOADING", ""), ("broken", "UNAVAILABLE", "no such file")]
        await pair.catalog.refresh()
        states = {model.model: model.state for model in watch.report()}
        assert (states["coming"], states["broken"]) == ("loading", "not_servable")
        assert watch.is_ready()
        triton.ready.append("toy-reranker")
        await pair.catalog.refresh()
        assert readiness(watch)["toy-reranker"] is False
        assert watch.is_ready()
        watch.succeeded("toy-reranker")
        assert readiness(watch)["toy-reranker"]
    finally:
        triton.unready = []
        triton.ready.remove("toy-reranker")


async def test_model_may_be_required_by_a_name_that_it_brings(pair: Pair, tmp_path: Path) -> None:
    """Which is known only when the model is: until then it is missing."""
    pair.tritons[0].description = pair.tritons[1].description = {"names": ["owner/chat"]}
    watch = health(pair, tmp_path, required=("owner/chat",))
    assert [(model.model, model.state, model.counts) for model in watch.report()] == [("owner/chat", "missing", True)]
    await pair.catalog.refresh()
    watch.succeeded(CHAT_MODEL)
    assert readiness(watch) == {CHAT_MODEL: True}
    assert watch.is_ready()


async def test_required_model_counts_in_every_state(pair: Pair, tmp_path: Path) -> None:
    """Also while it is being added, or can't be served."""
    triton = pair.tritons[1]
    try:
        for state, reported in (("LOADING", "loading"), ("UNAVAILABLE", "not_servable")):
            triton.unready = [("wanted", state, "no such file" if state == "UNAVAILABLE" else "")]
            await pair.catalog.refresh()
            watch = health(pair, tmp_path, required=("wanted",))
            watch.succeeded("wanted")
            assert [(model.state, model.counts) for model in watch.report()] == [(reported, True)]
            assert not watch.is_ready()
    finally:
        triton.unready = []


async def test_model_of_a_restarted_triton_is_not_ready(pair: Pair, tmp_path: Path) -> None:
    """Until a Triton has loaded it again: its success of a moment ago was that of another process."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path)
    watch.succeeded(CHAT_MODEL)
    try:
        for triton, there in zip(pair.tritons, (True, False), strict=True):
            triton.ready.remove(CHAT_MODEL)
            triton.unready = [(CHAT_MODEL, "", "")]
            await pair.catalog.refresh()
            assert readiness(watch)[CHAT_MODEL] is there
    finally:
        for triton in pair.tritons:
            triton.unready = []
            triton.ready.insert(0, CHAT_MODEL)
    await pair.catalog.refresh()
    assert readiness(watch)[CHAT_MODEL]


async def test_unloaded_model_is_forgotten(pair: Pair, tmp_path: Path) -> None:
    """Nobody probes it, readiness stays, and after a new load it starts anew."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path, fresh_s=0.2, stale_s=30)
    shared = tmp_path / CHAT_MODEL.encode().hex()
    try:
        async with watching(watch):
            await until(watch.is_ready)
            await until(shared.exists)
            for triton in pair.tritons:
                triton.ready.remove(CHAT_MODEL)
            await pair.catalog.refresh()
            await until(lambda: not shared.exists())
            asked = len(chat_calls(pair))
            await asyncio.sleep(1.5)  # another look
            assert len(chat_calls(pair)) == asked
            assert CHAT_MODEL not in readiness(watch)
            assert watch.is_ready()
    finally:
        for triton in pair.tritons:
            triton.ready.insert(0, CHAT_MODEL)
    await pair.catalog.refresh()
    assert [model.age_s for model in watch.report() if model.model == CHAT_MODEL] == [None]


async def test_probes_end_with_the_watch(pair: Pair, tmp_path: Path) -> None:
    """A probe under way is cancelled in Triton."""
    await pair.catalog.refresh()

    def mute(call: Call) -> Iterator[Message]:
        call.cancelled.wait(5)
        yield []

    for triton in pair.tritons:
        triton.script = mute
    async with watching(health(pair, tmp_path)):
        await until(lambda: bool(chat_calls(pair)))
    assert await asyncio.to_thread(chat_calls(pair)[0].cancelled.wait, 5)


async def test_folder_that_vanishes_stops_no_watch(pair: Pair, tmp_path: Path) -> None:
    """The file system's troubles are logged; the models' own answers go on counting."""
    await pair.catalog.refresh()
    watch = health(pair, tmp_path / "folder")
    async with watching(watch):
        await until(lambda: all(readiness(watch).values()))
        for file in (tmp_path / "folder").iterdir():
            file.unlink()
        (tmp_path / "folder").rmdir()
        watch.succeeded(CHAT_MODEL)
        await asyncio.sleep(1.2)  # another look, which can't share it
        assert readiness(watch)[CHAT_MODEL]


def test_beacons_share_their_times(tmp_path: Path) -> None:
    """The later of both, through the time of the file; an old success does not undo a newer one."""
    mine, theirs = LastSuccess(tmp_path / "m"), LastSuccess(tmp_path / "m")
    mine.sync()
    assert mine.at == 0
    mine.at = time.time() - 5
    mine.sync()
    theirs.sync()
    assert theirs.at == pytest.approx(mine.at, abs=0.01)
    newer = theirs.at = time.time()
    theirs.sync()
    mine.sync()
    assert mine.at == pytest.approx(newer, abs=0.01)
    written = os.stat(tmp_path / "m").st_mtime_ns
    mine.sync()
    assert os.stat(tmp_path / "m").st_mtime_ns == written


def test_one_holds_the_probe(tmp_path: Path) -> None:
    """Until it is done."""
    one, two = LastSuccess(tmp_path / "m"), LastSuccess(tmp_path / "m")
    with one.probing() as first:
        with two.probing() as second:
            assert (first, second) == (True, False)
    with two.probing() as again:
        assert again
