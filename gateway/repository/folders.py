"""The models in the folders of a repository, and those that Triton would stumble over, refused by name."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

_IGNORED: Final = ("lost+found", "__pycache__")
_NAME: Final = re.compile(r"[!-.0-~]+", re.ASCII)
"""Printable ASCII without a space and `/`: Triton and its stubs break on others, some by hanging."""
_BOM: Final = b"\xef\xbb\xbf"
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1024
"""A Git LFS pointer is smaller: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""
_MOST_FILES: Final = 10_000
_NO_FILE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What the end of a link may be."""


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
            if _is_ignored(path.name) or (model := _read(path)) is None:
                continue
            if (first := found.get(path.name)) is not None:
                model = replace(first, flaw=f"{path} has the same name; rename one of them")
            found[path.name] = model
    return sorted(found.values(), key=lambda model: (model.size, model.name))


def _read(path: Path) -> ModelFolder | None:
    """None for what is no folder. One that can't be read is a flaw of its own, and no trouble of the others."""
    try:
        if not path.is_dir():
            return None
        files = tuple(_files(path))
        fingerprint = hash(files)
        flaw = next(_flaws(path), "") or _flaw_of_files(path, fingerprint)
    except FileNotFoundError:
        return None  # removed at this moment
    except OSError as error:
        return ModelFolder(path.name, path, 0, 0, f"it can't be read: {error}")
    return ModelFolder(path.name, path, sum(file.size for file in files), fingerprint, flaw)


class _File(NamedTuple):
    """A file at one moment; `size` in bytes, `changed` in nanoseconds since 1970."""

    path: Path
    size: int
    changed: int


def _files(folder: Path) -> Iterator[_File]:
    """All regular files below, also behind links; the first of them where there are very many."""
    below = (Path(root, name) for root, names in _walk(folder) for name in sorted(names))
    yield from islice(filter(None, map(_file, below)), _MOST_FILES)


def _file(path: Path) -> _File | None:
    """None for what is no regular file, or is gone by now: a copy that is under way renames its files."""
    try:
        stat = path.stat()
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    return _File(path, stat.st_size, stat.st_mtime_ns) if S_ISREG(stat.st_mode) else None


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


def _flaws_of_file(model: Path, file: _File, configured: Collection[Path]) -> Iterator[str]:
    is_configuration = file.path.suffix in (".pbtxt", ".json") and file.path.parent in configured
    small = file.size <= _POINTER_BYTES
    if not (is_configuration or small):
        return
    head = _head(file.path)
    if is_configuration and head.startswith(_BOM):
        yield f"{file.path.relative_to(model)} begins with a byte order mark; save it as UTF-8 without one"
    if small and head == _LFS_POINTER:
        yield f"{file.path.relative_to(model)} is a Git LFS pointer in place of the file; run `git lfs pull`"


def _head(path: Path) -> bytes:
    """How a file begins; empty where it is gone by now."""
    try:
        with path.open("rb") as opened:
            return opened.read(len(_LFS_POINTER))
    except FileNotFoundError:
        return b""


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED
