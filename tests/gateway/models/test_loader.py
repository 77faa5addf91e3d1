"""How models are loaded: by their kind, from themselves or from `assets`, and once for all workers of a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.models.embedding import EmbeddingModel
from gateway.models.generating import GeneratingModel
from gateway.models.loader import ASSETS, ModelLoader
from gateway.models.moderation import ModerationModel
from gateway.models.pooling import PoolingModel
from gateway.models.served import ModelNotServable, ServedModel
from gateway.triton.client import TritonClient
from gateway.triton.discovery import DiscoveredModel, discover
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, POOLING_MODELS, FakeTriton, toy_files
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


async def load(loader: ModelLoader, pair: Pair, name: str) -> ServedModel:
    discovered = await discover(pair.clients[0], name)
    assert discovered is not None
    assert loader.serves(discovered)
    return await loader.load(pair.clients[0], discovered)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (CHAT_MODEL, GeneratingModel),
        (EMBEDDING_MODEL, EmbeddingModel),
        (MODERATION_MODEL, ModerationModel),
        (next(iter(POOLING_MODELS)), PoolingModel),
    ],
)
async def test_model_is_loaded_as_its_kind(pair: Pair, name: str, kind: type[ServedModel]) -> None:
    """Those that can't describe themselves are described by `assets`."""
    model = await load(ModelLoader(None), pair, name)
    assert type(model) is kind
    assert model.name == name


@pytest.mark.parametrize(("task", "serves"), [("generation", True), ("embedding", True), (ASSETS, False), ("x", True)])
async def test_task_says_whether_it_is_to_be_served(task: str, serves: bool) -> None:
    """The file server is none to serve."""
    assert ModelLoader(None).serves(DiscoveredModel("m", task)) is serves


async def test_unknown_task_is_an_obstacle(pair: Pair) -> None:
    """Triton need not be asked for it."""
    with pytest.raises(ModelNotServable, match="openai_task 'x' is not known"):
        await ModelLoader(None).load(pair.clients[0], DiscoveredModel("m", "x"))


@pytest.mark.parametrize("description", [{"tasks": None}, {"context_length": None}, {"media": 5}, {"files": 5}])
async def test_description_that_is_none_is_an_obstacle(description: dict[str, object]) -> None:
    """Whatever is wrong with it, it is the model's fault and not an accident of the gateway's."""
    with FakeTriton() as triton:
        triton.description = description
        client = TritonClient(triton.address)
        with pytest.raises(ModelNotServable, match="description can't be used"):
            await ModelLoader(None).load(client, DiscoveredModel(CHAT_MODEL, "generation"))
        await client.close()


async def test_missing_file_server_is_an_obstacle() -> None:
    """Its absence is no outage: nothing gets better until somebody loads it. While it loads, one waits."""
    with FakeTriton() as triton:
        triton.ready.remove(ASSETS)
        client = TritonClient(triton.address)
        model = DiscoveredModel(EMBEDDING_MODEL, "embedding")
        with pytest.raises(ModelNotServable, match="`assets`"):
            await ModelLoader(None).load(client, model)
        triton.unready = [(ASSETS, "LOADING", "")]
        with pytest.raises(Unavailable):
            await ModelLoader(None).load(client, model)
        await client.close()


async def test_files_that_the_file_server_does_not_see_are_an_obstacle() -> None:
    """Those of a model in object storage. The client reads whose they are, the operator where they were looked for."""
    with FakeTriton() as triton:
        del triton.files[EMBEDDING_MODEL]
        client = TritonClient(triton.address)
        with pytest.raises(ModelNotServable, match="there is no folder 'toy-embedding'") as caught:
            await ModelLoader(None).load(client, DiscoveredModel(EMBEDDING_MODEL, "embedding"))
        assert caught.value.cause == "the model `assets` has no folder with its files"
        await client.close()


async def test_files_are_fetched_once(tmp_path: Path) -> None:
    """The next worker finds them in the folder; without one each fetches its own."""
    model = DiscoveredModel(CHAT_MODEL, "generation")
    with FakeTriton() as triton:
        client = TritonClient(triton.address)
        first = await ModelLoader(tmp_path / "files").load(client, model)
        assert triton.described == 2  # the description, and the files
        kept = sorted(path.name for path in (tmp_path / "files").iterdir())
        assert len(kept) == 2
        second = await ModelLoader(tmp_path / "files").load(client, model)
        assert triton.described == 3
        assert sorted(path.name for path in (tmp_path / "files").iterdir()) == kept
        await client.close()
    assert first.known_tokenizer is not None
    assert second.known_tokenizer is not None


async def test_folder_that_takes_nothing_costs_nobody_a_model(pair: Pair, tmp_path: Path) -> None:
    """A full disk, say: the next worker fetches the files again."""
    (tmp_path / "files").write_text("a file where a folder should be")
    assert (await load(ModelLoader(tmp_path / "files" / "below"), pair, CHAT_MODEL)).name == CHAT_MODEL


async def test_model_with_useless_files_is_not_servable(pair: Pair, triton: FakeTriton) -> None:
    """It says why, whatever the files are."""
    files = toy_files()
    try:
        for content in (b"{}", b"\xff"):
            triton.files[CHAT_MODEL] = {"tokenizer.json": content}
            with pytest.raises(ModelNotServable, match=r"its tokenizer\.json can't be used"):
                await load(ModelLoader(None), pair, CHAT_MODEL)
        triton.files[CHAT_MODEL] = {}
        with pytest.raises(ModelNotServable, match=r"no tokenizer\.json"):
            await load(ModelLoader(None), pair, CHAT_MODEL)
    finally:
        triton.files[CHAT_MODEL] = files[CHAT_MODEL]


async def test_sessions_are_offered_as_described(pair: Pair, triton: FakeTriton) -> None:
    """A request may travel by one where the model's backend has them."""
    await load(ModelLoader(None), pair, CHAT_MODEL)
    session = pair.clients[0].sessions.get(CHAT_MODEL)
    assert (session is not None) is ("session" in triton.travel)


@pytest.mark.parametrize(("loras", "expected"), [(None, set()), ([], set()), (["poet", "lawyer"], {"poet", "lawyer"})])
async def test_adapters_are_those_of_now(
    pair: Pair, triton: FakeTriton, loras: list[str] | None, expected: set[str]
) -> None:
    """None at all where the model takes none."""
    triton.loras = loras
    look = await ModelLoader(None).look(pair.clients[0], CHAT_MODEL)
    assert look.adapters == expected
    assert "loras" not in look.description, "they change without a new load"
