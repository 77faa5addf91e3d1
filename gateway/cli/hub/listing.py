"""What the hub says about a model: values that the other files share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A model of the hub at one commit. `files` has the sizes of its files, in bytes, by their names; the others are the
    contents of its small JSON files, empty for those that it lacks. `weight_map` has the file of each tensor."""

    name: str
    commit: str
    files: Mapping[str, int]
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    weight_map: Mapping[str, str] = field(default_factory=dict[str, str])


CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
WEIGHTS_INDEX = "model.safetensors.index.json"
