"""Says what to do about a program that failed, where its log and the kernel show the cause beyond doubt."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_REPOSITORY: Final = "--model-repository="
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1024
"""The specification limits a pointer to this size."""
_DEPTH: Final = 4
"""Weights lie at most this deep below a repository: <model>/<version>/<folder>/<file>."""

_PORT_TAKEN: Final = re.compile(r"Socket '[^']*' already in use|cannot listen on .*: Address already in use", re.ASCII)
"""Triton's words, and the gateway's. An engine has ports of its own, which our settings do not choose."""
_KILLED: Final = ("SIGKILL", "is not healthy", "died unexpectedly", "engine has died", "lost the process of")
"""Signs in Triton's log, or in the reason, of a process that ended without a word."""
_WRONG_SETTING: Final = "exit status 2"


@dataclass(frozen=True)
class Failure:
    """How a program failed. `memory_kills` is how many processes the kernel has killed for lack of memory during the run."""

    reason: str
    lines: Sequence[str]
    command: Sequence[str | Path]
    memory_kills: int = 0


def advice(failure: Failure) -> str | None:
    """What to do, or None if the cause is not certain: a wrong advice is worse than none."""
    text = "\n".join([failure.reason, *failure.lines])
    if pointers := _pointers(failure.command):
        return (
            f"{pointers[0]} is a Git LFS pointer instead of the weights: run `git lfs pull` in the repository that it is"
            " from, or download the file."
        )
    if failure.memory_kills and any(sign in text for sign in _KILLED):
        return (
            f"the kernel has killed {failure.memory_kills} of the processes here for lack of memory: end other programs,"
            " serve fewer models, or raise the memory limit of this container or machine."
        )
    if _PORT_TAKEN.search(text):
        return "another program took the port: end it, or choose others (PORT, TRITON_GRPC_PORT, TRITON_METRICS_PORT)."
    if _WRONG_SETTING in failure.reason and "gateway" in map(str, failure.command):
        return "correct the setting that it names."
    return None


def _pointers(command: Sequence[str | Path]) -> list[Path]:
    """The files in Triton's model repositories that are Git LFS pointers."""
    options = [str(part) for part in command if str(part).startswith(_REPOSITORY)]
    folders = [Path(option.removeprefix(_REPOSITORY)) for option in options]
    return [file for folder in folders for file in _files(folder, _DEPTH) if _is_pointer(file)]


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """The files below a folder, also below links to folders."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # no folder any more, or not ours to read
        return
    for entry in entries:
        if entry.is_file():
            yield Path(entry.path)
        elif entry.is_dir() and depth > 1:
            yield from _files(Path(entry.path), depth - 1)


def _is_pointer(file: Path) -> bool:
    try:
        return file.stat().st_size <= _POINTER_BYTES and file.read_bytes().startswith(_POINTER)
    except OSError:
        return False
