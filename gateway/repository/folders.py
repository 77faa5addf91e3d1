"""The models in the folders of a repository, and those that Triton would stumble over, refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final

_IGNORED: Final = ("lost+found", "__pycache__")
_NAME: Final = re.compile(r"[!-.0-~]+", re.ASCII)
"""Printable ASCII without a space and `/`: Triton and its stubs break on others, some by hanging."""
_BOM: Final = b"\xef\xbb\xbf"
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1024
"""A Git LFS pointer is smaller: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""
_MOST_FILES: Final = 10_000


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model as it lies on the disk. `size` is in bytes. `fingerprint` changes with every change of its files; `flaw` says
    why Triton must not load it, or is empty."""

    name: str
    path: Path
    size: int
    fingerprint: int
    flaw: str = ""


def find_models(repositories: Iterable[Path]) -> list[ModelFolder]:
    """The models of all repositories, the smallest first. Raises OSError when a repository can't be read."""
    found: dict[str, ModelFolder] = {}
    for repository in repositories:
        for path in sorted(repository.iterdir()):
            if not path.is_dir() or _is_ignored(path.name):
                continue
            model = _read(path)
            if (first := found.get(path.name)) is not None:
                model = replace(first, flaw=f"{path} has the same name; rename one of them")
            found[path.name] = model
    return sorted(found.values(), key=lambda model: (model.size, model.name))


def _read(path: Path) -> ModelFolder:
    files = list(_files(path))
    stats = [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in ((file, file.stat()) for file in files)]
    fingerprint = hash(tuple(stats))
    flaw = next(_flaws(path), "") or _flaw_of_files(path, fingerprint)
    return ModelFolder(path.name, path, sum(size for _, size, _ in stats), fingerprint, flaw)


def _files(folder: Path) -> Iterator[Path]:
    """All regular files below, also behind links; the first of them where there are very many."""
    below = (Path(root, name) for root, names in _walk(folder) for name in sorted(names))
    yield from islice((path for path in below if path.is_file()), _MOST_FILES)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        yield root, names


def _flaws(path: Path) -> Iterator[str]:
    if not _NAME.fullmatch(path.name):
        yield "its folder's name has a space or a character beyond ASCII; rename the folder"
    versions = [folder.name for folder in path.iterdir() if folder.is_dir() and not _is_ignored(folder.name)]
    if versions and not any(version.isascii() and version.isdecimal() for version in versions):
        yield f"it has no version: rename {versions[0]} to a number, such as 1"


@lru_cache(maxsize=1024)
def _flaw_of_files(path: Path, _fingerprint: int) -> str:
    """Opens the files only when they have changed: the folder is looked at every second."""
    configured = (path, *path.glob("[0-9]*"))
    return next((flaw for file in _files(path) for flaw in _flaws_of_file(path, file, configured)), "")


def _flaws_of_file(model: Path, file: Path, configured: Collection[Path]) -> Iterator[str]:
    is_configuration = file.suffix in (".pbtxt", ".json") and file.parent in configured
    small = file.stat().st_size <= _POINTER_BYTES
    if not (is_configuration or small):
        return
    with file.open("rb") as opened:
        head = opened.read(len(_LFS_POINTER))
    if is_configuration and head.startswith(_BOM):
        yield f"{file.relative_to(model)} begins with a byte order mark; save it as UTF-8 without one"
    if small and head == _LFS_POINTER:
        yield f"{file.relative_to(model)} is a Git LFS pointer in place of the file; run `git lfs pull`"


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED
