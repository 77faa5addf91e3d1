"""Marks a completed folder with a stamp, the digest of its inputs.

A step writes the stamp last, and inside of its folder, so an interrupted step has no stamp, and removing the folder removes
its stamp.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_NAME = ".stamp"


def digest(inputs: Iterable[str | Path]) -> str:
    """One value for all inputs: texts as they are, files by their content, folders by their *.py files."""
    total = hashlib.sha256()
    for item in inputs:
        for part in _parts(item):
            total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def is_done(folder: Path, value: str) -> bool:
    """Whether the folder was completed from these inputs."""
    try:
        return (folder / _NAME).read_text() == value
    except FileNotFoundError:
        return False


def mark_done(folder: Path, value: str) -> None:
    """Mark the folder as complete."""
    partial = folder / f"{_NAME}.partial"
    partial.write_text(value)
    partial.replace(folder / _NAME)


def _parts(item: str | Path) -> Iterable[bytes]:
    if isinstance(item, str):
        return [item.encode()]
    if item.is_dir():
        return [part for path in sorted(item.rglob("*.py")) for part in (path.name.encode(), path.read_bytes())]
    return [item.read_bytes()]
