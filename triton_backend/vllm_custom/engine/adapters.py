"""LoRA adapters of one model, by name (pure): which are there, and which folders may become one.

They outlive the engine: what was loaded into a failed engine is loaded into the one that follows. Only the engine knows
them by number; elsewhere, in records and metrics alike, an adapter is its name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ..configuration import multi_lora as lora
from ..configuration.config import EngineConfig
from ..errors import BackendError, BadRequest, ConfigError, NotFound

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)
CONFIGURATION = "adapter_config.json"
# Lower numbers are those of the adapters of multi_lora.json, which are there from the start.
FIRST_NUMBER = 1 << 20


@dataclass(frozen=True, slots=True)
class Adapter:
    """`number` is unique among all that this model has ever had, because the engine caches what it computed by it."""

    name: str
    number: int
    path: Path


class Adapters:
    """Not thread-safe: it is changed on the engine's loop, of which there is one at a time."""

    def __init__(self, directory: Path | None) -> None:
        """`directory` is the folder below which adapters may lie; with None no adapter can be loaded."""
        self._directory = None if directory is None else directory.resolve()
        self._loaded: dict[str, Adapter] = {}
        self._last = FIRST_NUMBER - 1
        self._is_first_engine = True

    @classmethod
    def of(cls, config: EngineConfig) -> Adapters:
        """Those of a model, with its multi_lora.json. Raises ConfigError where `lora_directory` is no folder."""
        written = config.settings.lora_directory
        if written is not None and not Path(written).is_dir():
            raise ConfigError(f"{config.source}: lora_directory is {written!r}, which is not a folder")
        adapters = cls(None if written is None else Path(written))
        table = lora.load(config.source.parent, config.arguments) or {}
        # The numbers are those that official requests give them.
        for number, (name, folder) in enumerate(table.items(), start=1):
            adapters.add(Adapter(name, number, Path(folder)))
        return adapters

    @property
    def enabled(self) -> bool:
        """Whether there is a folder from which adapters may be loaded."""
        return self._directory is not None

    @property
    def offered(self) -> bool:
        """Whether there are any adapters, or could be."""
        return self.enabled or bool(self._loaded)

    @property
    def names(self) -> list[str]:
        return sorted(self._loaded)

    def get(self, name: str) -> Adapter:
        """The loaded adapter of this name. Raises NotFound."""
        try:
            return self._loaded[name]
        except KeyError:
            raise NotFound(f"no adapter {name!r} is loaded", param="lora") from None

    def get_removable(self, name: str) -> Adapter:
        """As `get`. Raises BadRequest for one of multi_lora.json, which official requests may name while the model runs."""
        adapter = self.get(name)
        if adapter.number < FIRST_NUMBER:
            raise BadRequest(f"the adapter {name!r} stands in {lora.FILE} and stays", param="name")
        return adapter

    def prepare(self, name: str, path: str) -> Adapter:
        """An adapter to load under this name, from this folder below the allowed one. Raises BadRequest and NotFound."""
        if not NAME.fullmatch(name):
            raise BadRequest("name must be 1 to 128 characters of A-Z, a-z, 0-9, ., _, :, / and -", param="name")
        if name in self._loaded:
            raise BadRequest(f"an adapter {name!r} is loaded already; unload it first", param="name")
        folder = self._folder(path)
        self._last += 1
        return Adapter(name, self._last, folder)

    def add(self, adapter: Adapter) -> None:
        self._loaded[adapter.name] = adapter

    async def load_all(self, load: Callable[[Adapter], Awaitable[None]]) -> None:
        """Load into a new engine those of multi_lora.json, and what was loaded into the engine before it.

        A request for an adapter that the engine can't load would end the engine. What the first engine refuses is therefore
        a ConfigError; what a later one refuses is forgotten, with a warning.
        """
        for adapter in list(self._loaded.values()):
            try:
                await load(adapter)
            except BackendError as error:
                if self._is_first_engine:
                    raise ConfigError(f"{lora.FILE}: {adapter.name} in {adapter.path}: {error.message}") from error
                logger.warning("the adapter %s is lost with the engine that failed: %s", adapter.name, error.message)
                self.remove(adapter)
        self._is_first_engine = False

    def remove(self, adapter: Adapter) -> None:
        if self._loaded.get(adapter.name) is adapter:
            del self._loaded[adapter.name]

    def _folder(self, path: str) -> Path:
        if self._directory is None:
            raise BadRequest(
                "this model loads no adapters: vllm_custom.lora_directory in model.json allows it", param="path"
            )
        try:
            # Resolved, so that neither `..` nor a link leads out.
            folder = (self._directory / path).resolve()
        except (OSError, ValueError) as error:
            raise BadRequest(f"path cannot be one: {error}", param="path") from error
        if not folder.is_relative_to(self._directory):
            raise BadRequest("path must lie in the model's lora_directory", param="path")
        if not (folder / CONFIGURATION).is_file():
            raise NotFound(f"there is no {CONFIGURATION} in the folder {path!r}", param="path")
        return folder
