"""Which models there are: what is known when, and what survives a Triton."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.errors import ModelNotFound, Unavailable
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


async def test_least_busy_triton_comes_first(pair: Pair) -> None:
    """Of those that have the model."""
    await pair.catalog.refresh()
    first, second = pair.clients
    first.in_flight = 1
    assert pair.catalog.replicas(CHAT_MODEL) == [second, first]
    first.in_flight = 0
    assert set(pair.catalog.replicas(CHAT_MODEL)) == {first, second}


async def test_unloaded_model_stays_known(pair: Pair) -> None:
    """One Triton has lost it: the other serves it. Both have: 503, for it may come back."""
    await pair.catalog.refresh()
    first, second = pair.tritons
    ready = list(first.ready)
    try:
        first.ready = [name for name in ready if name != CHAT_MODEL]
        await pair.catalog.refresh()
        assert pair.catalog.replicas(CHAT_MODEL) == [pair.clients[1]]
        second.ready = []
        await pair.catalog.refresh()
        assert pair.catalog.find(CHAT_MODEL)
        with pytest.raises(Unavailable):
            pair.catalog.replicas(CHAT_MODEL)
        assert pair.catalog.replicas(EMBEDDING_MODEL) == [pair.clients[0]]
    finally:
        first.ready = second.ready = ready
    await pair.catalog.refresh()
    assert len(pair.catalog.replicas(CHAT_MODEL)) == 2


async def test_what_is_known_is_not_asked_again(pair: Pair) -> None:
    """A look that finds nothing new loads nothing."""
    await pair.catalog.refresh()
    described = [triton.described for triton in pair.tritons]
    await pair.catalog.refresh()
    assert [triton.described for triton in pair.tritons] == described


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
    """It is tried again at every look, the others are served, and it is unavailable rather than unknown."""
    with changed_files(toy_chat=files) as triton:
        async with catalog_of(triton.address) as catalog:
            await catalog.refresh()
            assert names(catalog) == [EMBEDDING_MODEL, MODERATION_MODEL]
            with pytest.raises(Unavailable):
                catalog.find(CHAT_MODEL)
            with pytest.raises(ModelNotFound):
                catalog.find("nobody")
            described = triton.described
            triton.files = {**triton.files, CHAT_MODEL: GOOD}
            await catalog.refresh()
            assert names(catalog) == ALL
            assert triton.described == described + 2, "only the one that had failed is loaded"


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


async def test_files_are_kept_by_digest(triton: FakeTriton, tmp_path: Path) -> None:
    """A second worker of the host fetches no file again; a folder that can't be written costs no model."""
    async with catalog_of(triton.address, cache=tmp_path / "files") as catalog:
        await catalog.refresh()
    described = triton.described
    async with catalog_of(triton.address, cache=tmp_path / "files") as catalog:
        await catalog.refresh()
        assert names(catalog) == ALL
    assert triton.described == described + len(ALL)
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
