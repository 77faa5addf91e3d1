"""Which files of a model are needed, so that nothing is downloaded twice in another format (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.cli.hub.listing import CONFIG, Listing

WEIGHTS = ".safetensors"
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_WHOLE = "model.safetensors"
_SMALL = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".bpe", ".spm")
_OTHER_WEIGHTS = (".bin.index.json", ".h5.index.json", ".msgpack.index.json")
_MODULE = re.compile(r"\d+_\w+/[\w.-]+\.(json|txt|safetensors)")
"""A part of a sentence-transformers model, such as 1_Pooling/config.json."""

_TOKENIZERS = ("tokenizer.", "tekken", "vocab", "spiece", "merges")


@dataclass(frozen=True)
class Selection:
    """The needed files by their names. `weights` are those that go into the engine's memory."""

    weights: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def weights_bytes(self) -> int:
        """The size of the weights as they are stored."""
        return sum(self.weights.values())

    @property
    def names(self) -> list[str]:
        """All files, small ones first."""
        return [*sorted(self.others), *sorted(self.weights)]

    def size_of(self, names: Iterable[str]) -> int:
        """The size of these files, in bytes."""
        both = {**self.others, **self.weights}
        return sum(both[name] for name in names)


def select(listing: Listing) -> Selection:
    """Weights as safetensors, and each tensor once; beside them configuration, tokenizer and chat template."""
    weights = set(_weights(listing))
    others = {name for name in listing.files if _is_small(name)} | {
        name for name in listing.files if _MODULE.fullmatch(name)
    }
    return Selection(
        {name: listing.files[name] for name in sorted(weights)},
        {name: listing.files[name] for name in sorted(others - weights)},
    )


def is_complete(listing: Listing) -> bool:
    """Whether these files are enough for an engine: what a cache holds may be half of a model."""
    has_tokenizer = any(name.startswith(_TOKENIZERS) for name in listing.files)
    indexed = set(listing.weight_map.values())
    has_weights = indexed <= listing.files.keys() if indexed else bool(select(listing).weights)
    return CONFIG in listing.files and has_tokenizer and has_weights and not _lacks_shards(listing.files)


def _weights(listing: Listing) -> Iterator[str]:
    """The files that the index names; without an index the usual ones, and only then all others."""
    stored = [name for name in listing.files if name.endswith(WEIGHTS) and "/" not in name]
    if indexed := [name for name in set(listing.weight_map.values()) if name in listing.files]:
        yield from indexed
    elif shards := [name for name in stored if _SHARD.fullmatch(name)]:
        yield from shards
    elif _WHOLE in stored:
        yield _WHOLE
    else:
        # `consolidated` is Mistral's own format of the same weights.
        yield from [name for name in stored if not name.startswith(("consolidated", "adapter_"))]


def _is_small(name: str) -> bool:
    return "/" not in name and name.endswith(_SMALL) and not name.endswith(_OTHER_WEIGHTS)


def _lacks_shards(files: Iterable[str]) -> bool:
    """Whether a shard is there without all of its kind, as `model-00001-of-00004` tells."""
    shards = [name for name in files if _SHARD.fullmatch(name)]
    return bool(shards) and len(shards) != int(shards[0].removesuffix(WEIGHTS).rpartition("-")[2])
