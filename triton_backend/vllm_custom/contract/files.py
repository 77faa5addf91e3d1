"""The files with which a gateway renders and tokenises for a model: a fixed list of names, with their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import NotFound

NAMES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "generation_config.json",
    "config.json",
)
PART_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file as it was when the model was loaded."""

    name: str
    size: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a file."""

    name: str
    offset: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one folder that have such a name; nothing else of the folder can be read."""

    folder: Path | None
    files: tuple[File, ...]

    @classmethod
    def scan(cls, folder: Path | None) -> Files:
        """Reads every file once. None, for a model that has no folder here, is a folder without files."""
        if folder is None:
            return cls(None, ())
        found = [(folder / name) for name in NAMES if (folder / name).is_file()]
        return cls(folder, tuple(_file(path) for path in found))

    def as_json(self) -> list[dict[str, Any]]:
        return [file.as_json() for file in self.files]

    def read(self, names: Sequence[str]) -> list[Part]:
        """The parts of the named files, in order. Raises NotFound before anything is read."""
        known = {file.name for file in self.files}
        for name in names:
            if name not in known:
                raise NotFound(f"there is no file {name!r} in this description", param="files")
        return [part for name in names for part in self._parts(name)]

    def suffice_for_chat(self) -> bool:
        """Whether a gateway can render and tokenise a chat with these files alone."""
        names = {file.name for file in self.files}
        return "tokenizer.json" in names and ("chat_template.jinja" in names or self._has_inline_template())

    def _has_inline_template(self) -> bool:
        if self.folder is None or not (self.folder / "tokenizer_config.json").is_file():
            return False
        config = json.loads((self.folder / "tokenizer_config.json").read_bytes())
        return isinstance(config, dict) and bool(cast("dict[str, Any]", config).get("chat_template"))

    def _parts(self, name: str) -> Iterator[Part]:
        if self.folder is None:
            return
        try:
            content = memoryview((self.folder / name).read_bytes())
        except OSError as error:
            raise NotFound(f"the file {name!r} cannot be read any more", param="files") from error
        # An empty file has one empty part, so that its name is sent.
        for offset in range(0, max(len(content), 1), PART_SIZE):
            yield Part(name, offset, content[offset : offset + PART_SIZE])


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, len(content), hashlib.sha256(content).hexdigest())
