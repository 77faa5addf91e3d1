"""`<model>/<version>/model.json` to a checked, frozen EngineConfig.

The file holds vLLM's engine arguments by their own names. Three things are ours: the key `engine` (`vllm`, or `replay` for
the scripted one), the object `vllm_custom` (see settings.py), and `${MODEL}`, which stands for the absolute path of the
version directory. Nothing else is expanded.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigError
from . import settings
from .coercion import coerce
from .removed_arguments import removed
from .settings import Settings

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs

logger = logging.getLogger(__name__)

MODEL = "${MODEL}"
# Of a GPU's memory: the smallest sensible value of gpu_memory_utilization.
LEAST_SHARE = 0.01
ENGINES = ("vllm", "replay")
STRUCTURED = "structured_outputs_config"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One model's configuration. `arguments` is everything that is not ours; `written` is what the file says in the object
    `vllm_custom`. Both have `${MODEL}` expanded."""

    model: str
    source: Path
    engine: str
    arguments: Mapping[str, Any]
    settings: Settings = field(default_factory=Settings)
    written: Mapping[str, Any] = field(default_factory=dict[str, Any])


def load(model: str, version_directory: Path) -> EngineConfig:
    """Read and check the file; raises ConfigError, naming the file and the key."""
    source = version_directory / "model.json"
    document = _read(source)
    engine = document.pop("engine", "vllm")
    if engine not in ENGINES:
        raise ConfigError(f"{source}: engine is {engine!r}; write one of {', '.join(ENGINES)}")
    directory = str(version_directory.resolve())
    written = _expand(document.pop(settings.KEY, {}), directory)
    ours = settings.read(str(source), written)
    arguments = cast("dict[str, Any]", _expand(document, directory))
    _check_model(source, document, arguments)
    return EngineConfig(model, source, engine, MappingProxyType(arguments), ours, MappingProxyType(written))


def engine_args(config: EngineConfig) -> AsyncEngineArgs:
    """The arguments as vLLM's own class. Imports vLLM."""
    from vllm.config import StructuredOutputsConfig
    from vllm.engine.arg_utils import AsyncEngineArgs

    arguments = checked(config, {known.name: known.type for known in dataclasses.fields(AsyncEngineArgs)})
    defaults: dict[str, Any] = {"disable_log_stats": True, "enable_log_requests": False}
    if arguments.get("kv_cache_memory_bytes") is not None:
        # The share means nothing then, but vLLM still refuses to start unless so much of the GPU is free.
        defaults["gpu_memory_utilization"] = LEAST_SHARE
    if (reasoning := config.settings.reasoning_parser) is not None:
        # So that structured outputs begin where the reasoning ends.
        defaults["reasoning_parser"] = reasoning
    try:
        if isinstance(written := arguments.get(STRUCTURED), dict):
            arguments[STRUCTURED] = StructuredOutputsConfig(**cast("dict[str, Any]", written))
        return AsyncEngineArgs(**{**defaults, **arguments})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config.source}: {error}") from error


def checked(config: EngineConfig, types: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the engine has, by the names and types of its fields. Warns of those that it has lost, and
    raises ConfigError for those that it never had."""
    gone = removed(config.arguments, types)
    for name, advice in gone.items():
        logger.warning("%s: vLLM no longer has the engine argument %s; %s", config.source, name, advice)
    refuse_unknown(config, types.keys() | gone.keys())
    kept = {name: value for name, value in config.arguments.items() if name not in gone}
    return {name: _as_flag(config, name, value, types[name]) for name, value in kept.items()}


def _as_flag(config: EngineConfig, name: str, value: Any, type_: Any) -> Any:
    """A flag that is written as text becomes one: NVIDIA's tutorial writes "true", and vLLM would take "false" for true."""
    if type_ is not bool or not isinstance(value, str):
        return value
    try:
        return coerce(bool, value)
    except ValueError as error:
        raise ConfigError(f"{config.source}: {name} {error}") from error


def refuse_unknown(config: EngineConfig, known: Set[str]) -> None:
    unknown = sorted(config.arguments.keys() - known)
    if unknown:
        raise ConfigError(f"{config.source}: {', '.join(unknown)}: no such key for the engine {config.engine}")


def _read(source: Path) -> dict[str, Any]:
    try:
        document = json.loads(source.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(f'{source} is missing; it names the model: {{"model": "{MODEL}/weights"}}') from error
    except ValueError as error:
        raise ConfigError(f"{source} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{source} must hold a JSON object")
    return cast("dict[str, Any]", document)


def _check_model(source: Path, written: Mapping[str, Any], expanded: Mapping[str, Any]) -> None:
    model = expanded.get("model")
    if not isinstance(model, str) or not model:
        raise ConfigError(f'{source}: the key "model" must name a folder or a model of the hub')
    # Checked here, because vLLM would complain about the name of a hub repository instead.
    if MODEL in str(written["model"]) and not Path(model).is_dir():
        raise ConfigError(f"{source}: the model {written['model']} is {model}, which is not a folder")


def _expand(value: Any, directory: str) -> Any:
    if isinstance(value, str):
        return value.replace(MODEL, directory)
    if isinstance(value, list):
        return [_expand(item, directory) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _expand(item, directory) for key, item in cast("dict[str, Any]", value).items()}
    return value
