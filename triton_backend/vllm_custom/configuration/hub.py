"""A model that is named by its repository on Hugging Face's hub: whether it is in the cache, and what to do if it is not.

The cache is read as huggingface_hub writes it, `models--<owner>--<name>/{refs,snapshots}`, without that library: importing
it fixes whether it asks the hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigError
from .config import EngineConfig

OFFLINE = "HF_HUB_OFFLINE"
ALSO_OFFLINE = "TRANSFORMERS_OFFLINE"
_TRUE = ("1", "ON", "YES", "TRUE")
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
# With these arguments an engine needs more than the files of the model's own repository, or looks for them elsewhere.
_ELSEWHERE = frozenset({"tokenizer", "hf_config_path", "speculative_config", "enable_lora", "download_dir"})


def settle(config: EngineConfig, environment: MutableMapping[str, str]) -> None:
    """Decide whether this process asks the hub. Call it before anything is imported that reads HF_HUB_OFFLINE.

    A start from a full cache asks nothing, even where downloads are allowed, because a hub that does not answer would delay
    it. Raises ConfigError for a model that is not in the cache where downloads are not allowed.
    """
    if (name := _name(config, environment)) is None or "download_dir" in config.arguments:
        return
    files = _files(name, config, environment)
    if _is_offline(environment):
        if not files:
            raise ConfigError(f"{config.source}: the model {name!r} is no folder, and {_not_in(environment)}")
    elif _is_full(files) and not _ELSEWHERE & config.arguments.keys():
        environment[OFFLINE] = environment[ALSO_OFFLINE] = "1"


@contextmanager
def failure_named(config: EngineConfig, environment: Mapping[str, str]) -> Generator[None]:
    """Turn a failure in the block into a ConfigError with model, file and remedy if the hub did not give the model."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        name = _name(config, environment)
        if name is None or "download_dir" in config.arguments or _was_had(_files(name, config, environment), config):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"{config.source}: the model {name!r} is no folder and could not be had from the hub ({reason}); check the name,"
            " the network, HF_ENDPOINT, and HF_TOKEN for a model with restricted access, or name a folder with the weights"
        ) from error


def names(config: EngineConfig, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names, besides Triton's, by which clients may ask for the model, as with `vllm serve`: vLLM's own argument
    `served_model_name`, or the model's name on the hub."""
    given = config.arguments.get("served_model_name")
    if given is None:
        name = _name(config, environment)
        return () if name is None else (name,)
    return tuple(map(str, cast("list[Any]", given))) if isinstance(given, list) else (str(given),)


def _name(config: EngineConfig, environment: Mapping[str, str]) -> str | None:
    """The repository that the model names; None for a folder, and for what is not the hub's."""
    model = str(config.arguments.get("model", ""))
    if config.engine != "vllm" or _is_true(environment.get("VLLM_USE_MODELSCOPE", "")):
        return None
    return model if _REPOSITORY.fullmatch(model) and not Path(model).exists() else None


def _is_offline(environment: Mapping[str, str]) -> bool:
    return _is_true(environment.get(OFFLINE) or environment.get(ALSO_OFFLINE) or "")


def _is_true(value: str) -> bool:
    return value.upper() in _TRUE


def _not_in(environment: Mapping[str, str]) -> str:
    return (
        f"it is not in the cache {_cache(environment)} either: name a folder with the weights, fill the cache (`hf"
        f" download`, HF_HOME says where it is), or let the backend download it with {OFFLINE}=0 in Triton's environment"
    )


def _cache(environment: Mapping[str, str]) -> Path:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(variable):
            return Path(environment[variable]).expanduser()
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _files(name: str, config: EngineConfig, environment: Mapping[str, str]) -> Mapping[str, Path]:
    """The files in the cache of the revision that is asked for, by name; links that lead nowhere are left out."""
    folder = _cache(environment) / f"models--{name.replace('/', '--')}"
    revision = str(config.arguments.get("revision") or "main")
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    return {path.name: path for path in snapshot.iterdir() if path.is_file()} if snapshot.is_dir() else {}


def _is_full(files: Mapping[str, Path]) -> bool:
    """Whether configuration, tokeniser and all weights are there."""
    has_tokenizer = any(name.startswith(("tokenizer.", "tekken", "vocab", "spiece")) for name in files)
    return _has_configuration(files) and has_tokenizer and _has_weights(files)


def _was_had(files: Mapping[str, Path], config: EngineConfig) -> bool:
    """Whether the hub has given what an engine can't start without. Then its failure has another reason."""
    return _has_configuration(files) and (_has_weights(files) or config.arguments.get("load_format") == "dummy")


def _has_configuration(files: Mapping[str, Path]) -> bool:
    return bool({"config.json", "params.json"} & files.keys())


def _has_weights(files: Mapping[str, Path]) -> bool:
    indexes = [path for name, path in files.items() if name.endswith((".safetensors.index.json", ".bin.index.json"))]
    if indexes:
        return any(set(_parts(index)) <= files.keys() for index in indexes)
    return any(name.endswith((".safetensors", ".bin", ".pt", ".pth", ".gguf")) for name in files)


def _parts(index: Path) -> Iterable[str]:
    return json.loads(index.read_bytes())["weight_map"].values()
