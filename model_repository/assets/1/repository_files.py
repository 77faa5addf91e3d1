"""The files of a model repository that may be read from outside: by allow-listed names, whole, with their digests.

A model is named as the repository's folder lists it, and a file as NAMES does, so no name can lead anywhere else. The
files themselves may be links: the set-up links prepared weights into the version directories.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "generation_config.json",
    "config.json",
    "labels.json",
)
PART_SIZE = 1 << 20


class UnknownModel(Exception):
    """The repository lists no model of that name with a version in it."""


class UnknownFile(Exception):
    """The model has no such file, or it is not one that may be read."""


@dataclass(frozen=True)
class Part:
    """A slice of a file, at most PART_SIZE bytes."""

    name: str
    offset: int
    data: bytes


class ModelFiles:
    """The readable files in the newest version directory of one model."""

    def __init__(self, repositories: Sequence[Path], model: str) -> None:
        """Raises UnknownModel. The repositories are listed each time: models come and go while Triton runs."""
        folders = (entry for repository in repositories if repository.is_dir() for entry in repository.iterdir())
        found = next((folder for folder in folders if folder.name == model and folder.is_dir()), None)
        if found is None:
            searched = ", ".join(map(str, repositories)) or "object storage, which is not read"
            raise UnknownModel(
                f"there is no folder {model!r} in {searched}; MODEL_REPOSITORIES in Triton's environment names others"
            )
        # Triton's own rule: versions are folders named by a whole number, and the highest is the newest.
        versions = [entry for entry in found.iterdir() if _is_version(entry)]
        if not versions:
            raise UnknownModel(f"the model {model!r} has no version directory")
        self._folder = max(versions, key=lambda entry: int(entry.name))

    def description(self) -> list[dict[str, object]]:
        """`{"name", "size", "sha256"}` of each file, in the order of NAMES."""
        return [_description(self._folder / name) for name in self._present()]

    def parts(self, names: list[str]) -> Iterator[Part]:
        """The named files, in order, each from its start. Raises UnknownFile before the first part.

        An empty file is one empty part, so that every file is announced.
        """
        for name in names:
            if name not in self._present():
                raise UnknownFile(f"the model has no file {name!r}")
        return (part for name in names for part in _parts(self._folder / name))

    def _present(self) -> list[str]:
        return [name for name in NAMES if (self._folder / name).is_file()]


def _is_version(entry: Path) -> bool:
    return entry.name.isascii() and entry.name.isdigit() and entry.is_dir()


def _description(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {"name": path.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _parts(path: Path) -> Iterator[Part]:
    with path.open("rb") as file:
        offset = 0
        while data := file.read(PART_SIZE):
            yield Part(path.name, offset, data)
            offset += len(data)
        if offset == 0:
            yield Part(path.name, 0, b"")
