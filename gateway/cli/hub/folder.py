"""The folders of models that this program has written: it changes only these, and no file that its user has edited.

A stamp beside the files, `.hub.json`, has the digests of what was written. It is written first, with the old digests and
the new ones, so that a program that is killed in between takes none of its own files for an edited one.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gateway.cli.errors import Problem

STAMP = ".hub.json"
_VERSION = 1
_MOST_ASIDE = 1000


@dataclass(frozen=True)
class Stamp:
    """What was written into a folder: the model, its commit, and the digests that each file may have."""

    model: str
    commit: str
    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of a model's folder; None where there is none of ours."""
    try:
        content = json.loads((folder / STAMP).read_bytes())
        if content["version"] != _VERSION:
            return None
        digests = {str(name): tuple(map(str, each)) for name, each in content["digests"].items()}
        return Stamp(str(content["model"]), str(content["commit"]), digests)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None


def edited(folder: Path) -> list[str]:
    """The files that the user has changed or added since they were written; empty for a folder that is not ours."""
    stamp = read_stamp(folder)
    if stamp is None:
        return []
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    there = (str(path.relative_to(folder)) for path in files)
    return [name for name in there if _digest(folder / name) not in stamp.digests.get(name, ())]


def bring_back(folder: Path, model: str) -> None:
    """If the folder of this model was put aside when it was no longer asked for, return it to its place."""
    stamp = read_stamp(aside := folder.with_name(f".{folder.name}"))
    if not folder.exists() and stamp is not None and stamp.model == model:
        aside.rename(folder)


def check_free(folder: Path) -> None:
    """Raises Problem if another's model has this name."""
    if folder.exists() and read_stamp(folder) is None:
        raise Problem(
            f"{folder} is there, and was not written by this program.",
            "serve the hub's model under another name (MODEL_NAME=…), or move that folder away.",
        )


def write(folder: Path, model: str, commit: str, texts: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Write the files that differ, and leave those that were edited, with a line for each. Raises OSError."""
    kept = edited(folder)
    new = {name: _digest_of(text.encode()) for name, text in texts.items()}
    old = {name: _digest(folder / name) for name in texts if (folder / name).is_file() and name not in kept}
    digests = {name: tuple(dict.fromkeys((old.get(name, digest), digest))) for name, digest in new.items()}
    _write_stamp(folder, Stamp(model, commit, digests))
    for name in kept:
        say(f"{folder / name} was edited and stays as it is; delete it to have it written anew")
    for name, text in texts.items():
        if name not in kept and old.get(name) != new[name]:
            _replace(folder / name, text)
            say(f"wrote {folder / name}")


def remove_others(repository: Path, name: str, model: str | None, say: Callable[[str], None]) -> None:
    """Remove what this program has written for other models or names. A folder with edited files is put aside under a name
    that begins with a dot: nothing serves it."""
    for folder, stamp in list(_ours(repository)):
        if (folder.name, stamp.model) == (name, model):
            continue
        if edited(folder):
            aside = _aside(folder)
            folder.rename(aside)
            say(f"{folder.name} is no longer served; its edited files are kept in {aside}")
        else:
            shutil.rmtree(folder)
            say(f"{folder.name} is no longer served: removed {folder}")


def _ours(repository: Path) -> Iterator[tuple[Path, Stamp]]:
    for path in sorted(repository.iterdir()) if repository.is_dir() else ():
        if not path.name.startswith(".") and (stamp := read_stamp(path)) is not None:
            yield path, stamp


def _aside(folder: Path) -> Path:
    """A name that is free: what was put aside earlier is somebody's work, too."""
    names = (f".{folder.name}", *(f".{folder.name}.{number}" for number in range(2, _MOST_ASIDE)))
    return next(path for name in names if not (path := folder.with_name(name)).exists())


def _write_stamp(folder: Path, stamp: Stamp) -> None:
    content: dict[str, Any] = {
        "version": _VERSION,
        "model": stamp.model,
        "commit": stamp.commit,
        "digests": cast("dict[str, Any]", {name: list(each) for name, each in stamp.digests.items()}),
    }
    text = json.dumps(content, indent=2) + "\n"
    path = folder / STAMP
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        _replace(path, text)


def _replace(path: Path, text: str) -> None:
    """At once, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _digest(path: Path) -> str:
    return _digest_of(path.read_bytes())


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
