"""Files in /dev/shm that our programs leave when they are killed.

Triton's Python backend names its regions with a prefix that we choose. Other libraries choose their own names, so we record
the files that our processes have mapped while these are running.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/dev/shm")  # noqa: S108 - not a place for temporary files: POSIX shared memory lives here
_PREFIX = "triton_gateway_"
_OURS = re.compile(rf"{_PREFIX}(\d+)_")


def prefix() -> str:
    """The prefix of the names of this run's regions."""
    return f"{_PREFIX}{os.getpid()}_"


def mapped_by(pids: Iterable[int]) -> set[Path]:
    """The files in /dev/shm that these processes have mapped.

    They are found by inode instead of name, because a named semaphore is created under another name and then linked to
    its own.
    """
    inodes = {inode for pid in pids for inode in _mapped_inodes(pid)}
    return {path for path, inode in _files() if inode in inodes}


def remove(noted: Iterable[Path], folder: Path = FOLDER) -> None:
    """Remove this run's regions and the recorded files. Call it only when none of our programs is running."""
    for path in {*noted, *folder.glob(f"{prefix()}*")}:
        path.unlink(missing_ok=True)


def left_by_the_dead(folder: Path = FOLDER) -> list[Path]:
    """The files of runs that were killed before they could clean up."""
    return [path for path in folder.glob(f"{_PREFIX}*") if _is_of_the_dead(path.name)]


def _is_of_the_dead(name: str) -> bool:
    found = _OURS.match(name)
    return found is not None and not Path(f"/proc/{found[1]}").exists()


def _mapped_inodes(pid: int) -> list[int]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [int(line.split(maxsplit=5)[4]) for line in lines if f" {FOLDER}/" in line]


def _files() -> list[tuple[Path, int]]:
    return [(Path(entry.path), entry.inode()) for entry in os.scandir(FOLDER)]
