"""NVIDIA's `multi_lora.json`: the adapters of a model, by name, beside its model.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from ..errors import ConfigError
from .config import MODEL

FILE = "multi_lora.json"
LoraTable = Mapping[str, str]


def is_on(arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments of model.json switch `enable_lora` on, which NVIDIA's tutorial writes as a string."""
    return str(arguments.get("enable_lora", "")).lower() == "true"


def load(version_directory: Path, arguments: Mapping[str, Any]) -> LoraTable | None:
    """The adapters' folders by name, in the file's order; None where `enable_lora` is not on. Raises ConfigError.

    `${MODEL}` stands for the version directory, as in model.json.
    """
    if not is_on(arguments):
        return None
    source = version_directory / FILE
    try:
        document = json.loads(source.read_bytes())
    except FileNotFoundError:
        # An error for NVIDIA's backend; here adapters can also be loaded later.
        return MappingProxyType({})
    except ValueError as error:
        raise ConfigError(f"{source} is not JSON: {error}") from error
    if not isinstance(document, dict) or not all(
        isinstance(path, str) for path in cast("dict[str, Any]", document).values()
    ):
        raise ConfigError(f'{source} must be an object of names and folders: {{"alpaca": "/loras/alpaca"}}')
    directory = str(version_directory.resolve())
    table = cast("dict[str, str]", document)
    return MappingProxyType({name: path.replace(MODEL, directory) for name, path in table.items()})
