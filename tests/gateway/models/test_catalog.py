"""Which models there are: what is known when, and what survives a Triton."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.errors import ModelBroken, ModelNotFound, NotFound, Unavailable
from gateway.limits import callers
from gateway.limits.callers import Caller
from gateway.models.catalog import Catalog
from gateway.models.embedding import EmbeddingModel
from gateway.models.generating import GeneratingModel
from gateway.models.loader import ModelLoader
from gateway.models.moderation import ModerationModel
from gateway.models.served import ServedModel
from gateway.triton.client import TritonClient
from gateway.triton.discovery import DiscoveredModel
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton, toy_files
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio

ALL = [CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL]


@contextmanager
def changed_files(**by_model: dict[str, bytes]) -> Generator[FakeTriton, None, None]:
    """A Triton of its own, some of whose models have other files."""
    with FakeTriton() as triton:
        triton.files = triton.files | {name.replace("_", "-"): files for name, files in by_model.items()}
        yield triton


@asynccontextmanager
async def catalog_of(*addresses: str, cache: Path | None = None) -> AsyncGenerator[Catalog, None]:
    clients = [TritonClient(address) for address in addresses]
    yield Catalog(clients, ModelLoader(cache), interval_s=0.02)
    for client in clients:
        await client.close()


def names(catalog: Catalog) -> list[str]:
    return [model.name for model in catalog.models()]


async def test_unknown_until_looked(pair: Pair) -> None:
    """Before the first look nobody knows, so it is 503; after it, 404."""
    with pytest.raises(Unavailable):
        pair.catalog.find("nobody")
    await pair.catalog.refresh()
    with pytest.raises(ModelNotFound):
        pair.catalog.find("nobody")
    assert names(pair.catalog) == ALL


async def test_models_are_told_apart(pair: Pair) -> None:
    """Each is known by its kind; an endpoint gets no other."""
    await pair.catalog.refresh()
    assert pair.catalog.get(CHAT_MODEL, GeneratingModel).context_length == 128
    assert pair.catalog.get(EMBEDDING_MODEL, EmbeddingModel).max_batch_size == 4
    assert pair.catalog.default(ModerationModel).labels.labels == ("rude",)
    with pytest.raises(ModelNotFound):
        pair.catalog.get(CHAT_MODEL, EmbeddingModel)


HUB_NAME, TWIN = "owner/chat", "toy-embedder"


async def test_model_has_the_names_that_it_brings(pair: Pair) -> None:
    """They are listed and lead to it, as long as it is there."""
    pair.tritons[0].description = pair.tritons[1].description = {"names": [HUB_NAME]}
    await pair.catalog.refresh()
    assert pair.catalog.find(HUB_NAME).name == CHAT_MODEL
    assert pair.catalog.offered()[HUB_NAME].name == CHAT_MODEL
    assert (pair.catalog.own_name(HUB_NAME), pair.catalog.own_name("nobody")) == (CHAT_MODEL, "nobody")
    assert names(pair.catalog) == ALL


@pytest.mark.parametrize("brought", [EMBEDDING_MODEL, "alias"])
async def test_name_that_a_model_brings_stands_behind_others(brought: str) -> None:
    """Behind a model's own, and behind the settings."""
    with FakeTriton() as triton:
        triton.description = {"names": [brought]}
        client = TritonClient(triton.address)
        catalog = Catalog([client], ModelLoader(None), interval_s=0.02, aliases={"alias": EMBEDDING_MODEL})
        await catalog.refresh()
        assert catalog.find(brought).name == EMBEDDING_MODEL
        assert catalog.offered()[brought].name == EMBEDDING_MODEL
        await client.close()


async def test_name_that_two_models_bring_is_none() -> None:
    """Whoever uses it could mean either; an adapter does not bring the names of its model."""
    with FakeTriton() as triton:
        triton.ready = [CHAT_MODEL, TWIN]
        triton.names = {CHAT_MODEL: [HUB_NAME, "mine"], TWIN: [HUB_NAME]}
        triton.loras = ["poet"]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert set(names(catalog)) == {CHAT_MODEL, "poet", TWIN}
            assert catalog.find("mine").name == CHAT_MODEL
            assert HUB_NAME not in catalog.offered()
            with pytest.raises(ModelNotFound):
                catalog.find(HUB_NAME)


@pytest.mark.parametrize(("state", "error"), [("LOADING", Unavailable), ("UNAVAILABLE", ModelBroken)])
async def test_name_of_the_hub_is_not_denied_before_its_model_has_loaded(state: str, error: type[Exception]) -> None:
    """A client that waits must not be told that there is no such model."""
    with FakeTriton() as triton:
        triton.ready = [EMBEDDING_MODEL]
        triton.unready = [("chat", state, "no memory")]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            with pytest.raises(error):
                catalog.find(HUB_NAME)
            with pytest.raises(ModelNotFound):
                catalog.find("owner/other")


@pytest.mark.parametrize("nonsense", ["owner/chat", None, 3])
async def test_names_that_are_no_list_are_none(nonsense: object) -> None:
    """An older backend brings none, and another's mistake must not hide the model."""
    with FakeTriton() as triton:
        triton.description = {"names": nonsense}
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert catalog.find(CHAT_MODEL).further_names == ()


async def test_least_busy_triton_comes_first(pair: Pair) -> None:
    """Of those that have the model."""
    await pair.catalog.refresh()
    first, second = pair.clients
    first.in_flight = 1
    assert pair.catalog.replicas(CHAT_MODEL) == [second, first]
    first.in_flight = 0
    assert set(pair.catalog.replicas(CHAT_MODEL)) == {first, second}


async def test_unloaded_model_is_gone() -> None:
    """One Triton has unloaded it: the other serves it. Both have: it does not exist, and it comes back by a load."""
    with FakeTriton() as first, FakeTriton() as second:
        async with catalog_of(first.address, second.address) as catalog:
            await catalog.refresh()
            for triton in (first, second):
                assert len(catalog.replicas(CHAT_MODEL)) >= 1
                triton.ready.remove(CHAT_MODEL)
                triton.unready = [(CHAT_MODEL, "UNAVAILABLE", "unloaded")]
                await catalog.refresh()
            with pytest.raises(ModelNotFound):
                catalog.find(CHAT_MODEL)
            assert names(catalog) == list(catalog.offered()) == [EMBEDDING_MODEL, MODERATION_MODEL]
            assert (catalog.loading(), catalog.obstacles()) == (frozenset(), {})
            second.ready.append(CHAT_MODEL)
            await catalog.refresh()
            assert len(catalog.replicas(CHAT_MODEL)) == 1


async def test_unreachable_triton_has_unloaded_nothing() -> None:
    """One has unloaded the model, the other is away: it may still have it, so the model is unavailable."""
    with FakeTriton() as first, FakeTriton() as second:
        async with catalog_of(first.address, second.address) as catalog:
            await catalog.refresh()
            second.stop()
            first.ready.remove(CHAT_MODEL)
            await catalog.refresh()
            assert catalog.find(CHAT_MODEL)
            with pytest.raises(Unavailable):
                catalog.replicas(CHAT_MODEL)


async def test_restarted_triton_keeps_its_models_known() -> None:
    """It starts empty: what it has not loaded yet is not unloaded."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            triton.ready, triton.unready = ["assets"], [(CHAT_MODEL, "", ""), ("never", "", "")]
            await catalog.refresh()
            assert names(catalog) == [CHAT_MODEL]
            with pytest.raises(ModelNotFound):
                catalog.find("never")


@pytest.mark.parametrize(
    ("state", "reason", "error"),
    [("", "", Unavailable), ("LOADING", "", Unavailable), ("UNAVAILABLE", "unloaded", ModelNotFound)],
)
async def test_triton_without_a_ready_model(state: str, reason: str, error: type[Exception]) -> None:
    """One that starts may bring any model yet; one that has unloaded its only model brings none."""
    with FakeTriton() as triton:
        triton.ready, triton.unready = [], [("other", state, reason)]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            with pytest.raises(error):
                catalog.find("nobody")


async def test_model_that_is_being_added_is_unavailable() -> None:
    """It is in no list yet."""
    with FakeTriton() as triton:
        triton.unready = [("coming", "LOADING", "")]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            with pytest.raises(Unavailable):
                catalog.find("coming")
            assert (names(catalog), catalog.loading()) == (ALL, {"coming"})


async def test_failed_load_is_a_permanent_error(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns that it failed, the log what Triton says of it, once."""
    with FakeTriton() as triton:
        triton.unready = [("broken", "UNAVAILABLE", "no file /srv/models/broken/1/model.pt")]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            await catalog.refresh()
            with pytest.raises(ModelBroken, match="Triton could not load it") as caught:
                catalog.find("broken")
    assert "/srv" not in caught.value.message
    assert caplog.text.count("/srv/models/broken") == 1


async def test_unknown_task_is_a_permanent_error() -> None:
    """It names what the configuration declares."""
    with FakeTriton() as triton:
        triton.tasks = {"stranger": "embeddings"}
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            with pytest.raises(ModelBroken, match="openai_task 'embeddings'"):
                catalog.find("stranger")


async def test_missing_assets_is_a_permanent_error() -> None:
    """For those that need it, until it is loaded."""
    with FakeTriton() as triton:
        triton.ready.remove("assets")
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert names(catalog) == [CHAT_MODEL]
            with pytest.raises(ModelBroken, match="`assets`"):
                catalog.find(EMBEDDING_MODEL)
            triton.ready.append("assets")
            await catalog.refresh()
            await catalog.refresh()
            assert names(catalog) == ALL


@pytest.mark.parametrize("why", ["labels", "load"])
async def test_broken_default_model_is_named(why: str) -> None:
    """Where a request names none: it is the reason why there is no other. A load may fail after a success only."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            if why == "labels":
                triton.files = {**triton.files, MODERATION_MODEL: {**toy_files()[MODERATION_MODEL], "labels.json": b""}}
            else:
                await catalog.refresh()
                triton.ready.remove(MODERATION_MODEL)
                triton.unready = [(MODERATION_MODEL, "UNAVAILABLE", "no such file")]
            await catalog.refresh()
            with pytest.raises(ModelBroken, match=f"`{MODERATION_MODEL}`.*{why}"):
                catalog.default(ModerationModel)


async def test_model_that_never_said_what_it_is_for_may_be_the_one() -> None:
    """Of a model that has failed to load, Triton tells nothing but why."""
    with FakeTriton() as triton:
        triton.ready.remove(MODERATION_MODEL)
        triton.unready = [(MODERATION_MODEL, "UNAVAILABLE", "no such file")]
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            with pytest.raises(NotFound, match=f"may be for it.*`{MODERATION_MODEL}`") as caught:
                catalog.default(ModerationModel)
            assert caught.value.code == "model_not_found"
            triton.unready = []
            await catalog.refresh()
            with pytest.raises(NotFound) as caught:
                catalog.default(ModerationModel)
            assert "may be for it" not in caught.value.message


async def test_broken_model_is_named_to_those_who_may_use_it() -> None:
    """To the others there is none."""
    with FakeTriton() as triton:
        triton.files = {**triton.files, MODERATION_MODEL: {}}
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            token = callers.caller.set(Caller("guest", models=(CHAT_MODEL,)))
            try:
                with pytest.raises(NotFound) as caught:
                    catalog.default(ModerationModel)
            finally:
                callers.caller.reset(token)
            assert MODERATION_MODEL not in caught.value.message


async def test_what_is_known_is_not_read_again() -> None:
    """A look that finds nothing new asks only those that can tell by themselves whether they are new."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            described, known = triton.described, catalog.models()
            await catalog.refresh()
            assert triton.described == described + 1
            assert catalog.models() == known


def labels(threshold: float) -> dict[str, bytes]:
    content = {"labels": ["rude"], "categories": {"rude": "harassment"}, "threshold": threshold}
    return {**toy_files()[MODERATION_MODEL], "labels.json": json.dumps(content).encode()}


async def test_model_that_is_loaded_anew_is_read_anew() -> None:
    """Triton calls it ready all the time. Files that have changed without a load change nothing: the model is the old."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            triton.finished[MODERATION_MODEL] = 3
            await catalog.refresh()
            triton.files = {**triton.files, MODERATION_MODEL: labels(0.9)}
            await catalog.refresh()
            assert catalog.get(MODERATION_MODEL, ModerationModel).labels.threshold == 0.5
            triton.finished[MODERATION_MODEL] = 1
            await catalog.refresh()
            assert catalog.get(MODERATION_MODEL, ModerationModel).labels.threshold == 0.9


async def test_language_model_that_is_loaded_anew_is_read_anew() -> None:
    """It says by itself what it is now."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            triton.description = {"context_length": 64}
            await catalog.refresh()
            assert catalog.get(CHAT_MODEL, GeneratingModel).context_length == 64
            described = triton.described
            await catalog.refresh()
            assert triton.described == described + 1, "it is settled again"


async def test_model_that_cannot_be_read_anew_serves_as_it_was() -> None:
    """For as long as Triton has no answer; then it is read."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            triton.finished[MODERATION_MODEL] = 3
            await catalog.refresh()
            triton.finished[MODERATION_MODEL] = 0
            triton.files = {**triton.files, MODERATION_MODEL: labels(0.9)}
            triton.ready.remove("assets")
            triton.unready = [("assets", "LOADING", "")]
            await catalog.refresh()
            assert catalog.get(MODERATION_MODEL, ModerationModel).labels.threshold == 0.5
            assert len(catalog.replicas(MODERATION_MODEL)) == 1
            triton.ready.append("assets")
            await catalog.refresh()
            assert catalog.get(MODERATION_MODEL, ModerationModel).labels.threshold == 0.9


async def test_triton_without_statistics_is_served() -> None:
    """New loads of its classifiers are not noticed; nothing else is missing."""
    with FakeTriton() as triton:
        triton.counts = False
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            await catalog.refresh()
            assert names(catalog) == ALL


async def test_triton_goes_and_comes_back() -> None:
    """Its models are unavailable meanwhile, not unknown."""
    with FakeTriton() as triton:
        port = triton.port
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            triton.stop()
            await catalog.refresh()
            assert names(catalog) == ALL
            with pytest.raises(Unavailable):
                catalog.replicas(CHAT_MODEL)
            with FakeTriton(port=port):
                async with asyncio.timeout(10):
                    while True:
                        await catalog.refresh()
                        try:
                            assert catalog.replicas(CHAT_MODEL)
                            break
                        except Unavailable:
                            await asyncio.sleep(0.05)


async def test_silent_triton_does_not_hide_the_others(triton: FakeTriton) -> None:
    """An address where nobody is leaves the others' models alone."""
    async with catalog_of("127.0.0.1:1", triton.address) as catalog:
        await catalog.refresh()
        assert len(catalog.replicas(CHAT_MODEL)) == 1


GOOD = toy_files()[CHAT_MODEL]
CONFIG = json.loads(GOOD["tokenizer_config.json"])


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer.json": b"{}"},
        {**GOOD, "tokenizer_config.json": b"{"},
        {**GOOD, "tokenizer_config.json": b"[]"},
        {**GOOD, "tokenizer_config.json": json.dumps({**CONFIG, "chat_template": "{% if %}"}).encode()},
        {**GOOD, "tokenizer_config.json": json.dumps({**CONFIG, "eos_token": {}}).encode()},
        {**GOOD, "chat_template.jinja": b"{{"},
        {**GOOD, "chat_template.jinja": b"\xff"},
    ],
)
async def test_broken_model_hides_no_other(files: dict[str, bytes]) -> None:
    """It is tried again at every look, the others are served, and its error names the cause."""
    with changed_files(toy_chat=files) as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert names(catalog) == [EMBEDDING_MODEL, MODERATION_MODEL]
            with pytest.raises(ModelBroken, match=r"tokenizer\.json|template"):
                catalog.find(CHAT_MODEL)
            with pytest.raises(ModelNotFound):
                catalog.find("nobody")
            described = triton.described
            triton.files = {**triton.files, CHAT_MODEL: GOOD}
            await catalog.refresh()
            assert names(catalog) == ALL
            assert triton.described == described + 3, "only the one that had failed is loaded, and then looked at"


@pytest.mark.parametrize(
    "labels",
    [b"", b"[]", b"{}", b'{"labels": ["a"], "categories": {"a": "nonsense"}, "threshold": 0.5}',
     b'{"labels": [], "categories": {"a": "hate"}, "threshold": 0.5}', b'{"labels": 5, "categories": {}, "threshold": 1}'],
)  # fmt: skip
async def test_senseless_labels_are_not_served(labels: bytes) -> None:
    """A classifier whose labels mean nothing judges nobody."""
    files = {"tokenizer.json": GOOD["tokenizer.json"], "labels.json": labels}
    with changed_files(toy_moderation=files) as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert names(catalog) == [CHAT_MODEL, EMBEDDING_MODEL]


async def test_model_without_template_is_served() -> None:
    """It completes, though it can't chat."""
    with changed_files(toy_chat={"tokenizer.json": GOOD["tokenizer.json"]}) as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert catalog.get(CHAT_MODEL, GeneratingModel).template is None


async def test_files_are_kept_by_digest(tmp_path: Path) -> None:
    """A second worker of the host fetches no file again; a folder that can't be written costs no model."""
    with FakeTriton() as triton:
        async with catalog_of(triton.address, cache=tmp_path / "files") as catalog:
            await catalog.refresh()
        described = triton.described
        async with catalog_of(triton.address, cache=tmp_path / "files") as catalog:
            await catalog.refresh()
            assert names(catalog) == ALL
        assert triton.described == described + len(ALL) + 1, (
            "a description of each, and a look at the one that is served"
        )
        (tmp_path / "occupied").write_bytes(b"")
        async with catalog_of(triton.address, cache=tmp_path / "occupied") as catalog:
            await catalog.refresh()
            assert names(catalog) == ALL


async def test_looking_goes_on(triton: FakeTriton) -> None:
    """`keep_fresh` outlives whatever goes wrong in one look."""

    class Loader(ModelLoader):
        failures = 0

        async def load(self, client: TritonClient, model: DiscoveredModel) -> ServedModel:
            if self.failures < 2:
                self.failures += 1
                raise RuntimeError("unforeseen")
            return await super().load(client, model)

    client = TritonClient(triton.address)
    catalog = Catalog([client], Loader(None), interval_s=0.01)
    task = asyncio.create_task(catalog.keep_fresh())
    async with asyncio.timeout(10):
        while names(catalog) != ALL:  # noqa: ASYNC110  # the catalog tells nobody
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.close()
