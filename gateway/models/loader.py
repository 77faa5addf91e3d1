"""How the gateway learns what it has to know of a model to serve it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from gateway.errors import GatewayError, InternalError, NotFound, Overloaded, Unavailable, UpstreamTimeout
from gateway.models.kinds import KINDS
from gateway.models.served import ModelNotServable, ModelSource, ServedModel, reading
from gateway.prompting.lanes import Lanes
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.tokenizer import Tokenizers
from gateway.triton.client import TritonClient
from gateway.triton.discovery import ASSETS, GENERATION, DiscoveredModel
from gateway.triton.files import Describer, FileEntry, file_entries, travel

log = logging.getLogger(__name__)

_NOT_DESCRIBED: Final = "it is not described as this gateway needs it"


class Look(NamedTuple):
    """The adapters that a model has now, and all else that it says of itself, which only a new load changes."""

    adapters: frozenset[str]
    description: Mapping[str, Any]


class ModelLoader:
    """Asks for a model's description and files, which are kept by digest for all workers of a host."""

    def __init__(
        self, cache_dir: Path | None, lanes: Lanes | None = None, segments: SegmentCache | None = None
    ) -> None:
        """`cache_dir` is shared by the workers; None keeps nothing. All tokenisers share `lanes` and `segments`."""
        self._lanes = lanes or Lanes()
        self._cache_dir = cache_dir
        self._tokenizers = Tokenizers(self._lanes, segments)

    def serves(self, model: DiscoveredModel) -> bool:
        """Whether a model is to be served: all are that say what they are for, except `assets`."""
        return model.task != ASSETS

    async def load(self, client: TritonClient, model: DiscoveredModel) -> ServedModel:
        """Raises GatewayError when Triton fails, ModelNotServable when the model lacks something."""
        if all(kind.task != model.task for kind in KINDS):
            raise ModelNotServable(f"its openai_task {model.task!r} is not known to this gateway")
        speaks_contract = model.task == GENERATION
        about = Describer(client, model.name) if speaks_contract else Describer(client, ASSETS, model.name)
        description = await _describe(client, about, model)
        if speaks_contract:
            client.sessions.offer(model.name, offered="session" in travel(description))
        with reading("description"):
            kind = next((kind for kind in KINDS if kind.task == model.task and kind.fits(description)), None)
        if kind is None:
            raise ModelNotServable(f"there is no kind of model for the task {model.task!r}")
        try:
            entries = [entry for name, entry in file_entries(description).items() if name in kind.files]
        except InternalError as error:
            raise ModelNotServable("its description can't be used", "`files` does not follow the contract") from error
        files = await self._read(about, entries)
        source = ModelSource(model, description, files, self._tokenizers, int(time.time()))
        with reading("description"):
            # Parsing a tokeniser takes a tenth of a second and more: not on the event loop.
            loaded = await self._lanes.load(lambda: kind.load(source))
        return replace(loaded, further_names=_names(description))

    async def look(self, client: TritonClient, name: str) -> Look:
        """What a model that speaks our contract says of itself now. Raises GatewayError when Triton fails."""
        said = await Describer(client, name).describe()
        loras = said.pop("loras", None)
        names = cast("list[Any]", loras) if isinstance(loras, list) else []
        return Look(frozenset(str(lora) for lora in names), said)

    async def _read(self, about: Describer, entries: list[FileEntry]) -> dict[str, bytes]:
        cached = {entry.name: content for entry in entries if (content := self._cached(entry)) is not None}
        missing = [entry for entry in entries if entry.name not in cached]
        if not missing:
            return cached
        fetched = await about.read(missing)
        for entry in missing:
            self._keep(entry, fetched[entry.name])
        return cached | fetched

    def _cached(self, entry: FileEntry) -> bytes | None:
        if self._cache_dir is None or not (path := self._cache_dir / entry.sha256).is_file():
            return None
        return path.read_bytes()

    def _keep(self, entry: FileEntry, content: bytes) -> None:
        if self._cache_dir is None:
            return
        unfinished = self._cache_dir / f"{entry.sha256}.{time.monotonic_ns()}"
        try:
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.rename(self._cache_dir / entry.sha256)
        except OSError as error:  # a full disk costs the other workers a transfer, and no model is lost
            log.warning("%s is not kept: %s", entry.name, error)


def _names(description: dict[str, Any]) -> tuple[str, ...]:
    names = description.get("names")
    return tuple(map(str, cast("list[Any]", names))) if isinstance(names, list) else ()


async def _describe(client: TritonClient, about: Describer, model: DiscoveredModel) -> dict[str, Any]:
    """The description of a model. Raises ModelNotServable where another try would bring none."""
    try:
        return await about.describe()
    except (Overloaded, Unavailable, UpstreamTimeout) as error:
        if model.task != GENERATION and not await _has_assets(client):
            raise ModelNotServable(
                "the model `assets`, which serves its files, is not loaded", f"at {client.address}"
            ) from error
        raise
    except GatewayError as error:
        lacks_files = isinstance(error, NotFound) and model.task != GENERATION
        cause = "the model `assets` has no folder with its files" if lacks_files else _NOT_DESCRIBED
        raise ModelNotServable(cause, str(error)) from error


async def _has_assets(client: TritonClient) -> bool:
    """Whether Triton has the model `assets`, or is loading it."""
    return any(
        model.name == ASSETS and model.state in ("READY", "LOADING") for model in await client.repository_index()
    )
