"""Services over two scripted Tritons, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.models.loader import ModelLoader
from gateway.triton.client import TritonClient
from tests.fakes.triton import FakeTriton


@dataclass
class Pair:
    """Two Tritons, with their clients and a catalog that has not looked yet."""

    tritons: tuple[FakeTriton, FakeTriton]
    clients: tuple[TritonClient, TritonClient]
    catalog: Catalog
    health: Health


@pytest.fixture(scope="package")
def _second_triton() -> Generator[FakeTriton, None, None]:
    with FakeTriton() as triton:
        yield triton


@pytest.fixture
async def pair(triton: FakeTriton, _second_triton: FakeTriton, tmp_path: Path) -> AsyncGenerator[Pair, None]:
    _second_triton.reset()
    clients = (TritonClient(triton.address), TritonClient(_second_triton.address))
    catalog = Catalog(clients, ModelLoader(tmp_path / "files"), interval_s=0.05)
    health = Health(catalog, tmp_path, required=(), fresh_s=3600, stale_s=7200)
    yield Pair((triton, _second_triton), clients, catalog, health)
    for client in clients:
        await client.close()
    _second_triton.reset()
