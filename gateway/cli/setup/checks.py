"""Checks the requirements on the machine before the long work. Each check returns a Problem or None."""

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateway.cli.errors import Problem
from gateway.cli.setup import interpreter

MACHINE: Final = "x86_64"
MINIMUM_GLIBC: Final = (2, 35)
"""The glibc version against which the tritonserver binary was linked."""

MINIMUM_MEMORY_GB: Final = 5.0
_GB: Final = 1e9


def machine() -> list[Problem]:
    """All problems that the set-up cannot fix itself, in the order in which the user should fix them."""
    found = (_architecture(), _glibc(), _venv(), _libpython())
    return [problem for problem in found if problem]


def disk(folder: Path, needed_gb: float) -> Problem | None:
    """Whether the file system of `folder` has enough space; the folder need not exist yet."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / _GB
    if free >= needed_gb:
        return None
    return Problem(
        f"Too little disk space: {there} has {free:.1f} GB free, set-up needs {needed_gb:.1f} GB.",
        "free some space, or clone the repository onto a larger disk (everything is kept below .cache/).",
    )


def memory(needed_gb: float = MINIMUM_MEMORY_GB) -> Problem | None:
    """Whether the models and their engines fit into the available memory, including the limit of the control group."""
    available = min(_memory_limits()) / _GB
    if available >= needed_gb:
        return None
    return Problem(
        f"Too little memory: {available:.1f} GB are available, Triton with the three models needs {needed_gb:.1f} GB.",
        "end other programs, or raise the memory limit of this container or virtual machine.",
    )


def shared_memory(folder: Path = Path("/dev/shm")) -> Problem | None:  # noqa: S108 - Triton uses this path
    """Whether Triton's processes can communicate, which they do through files in /dev/shm."""
    if folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 60_000_000:
        return None
    return Problem(
        f"Triton needs {folder} with at least 60 MB free, and it is missing, full or read-only.",
        "remove what other programs left there (ls -l /dev/shm), or give the container more (docker run --shm-size=1g).",
    )


def _architecture() -> Problem | None:
    found = platform.machine()
    if (platform.system(), found) == ("Linux", MACHINE):
        return None
    return Problem(
        f"This is {platform.system()} on {found}; the tritonserver binary is for Linux on {MACHINE}.",
        "run it on such a machine; `triton-gateway serve` alone runs elsewhere, against a Triton on another host.",
    )


def _glibc() -> Problem | None:
    name, version = platform.libc_ver()
    if name == "glibc" and _numbers(version) >= MINIMUM_GLIBC:
        return None
    wanted = ".".join(map(str, MINIMUM_GLIBC))
    return Problem(
        f"The C library is {name or 'not glibc'} {version}; the tritonserver binary needs glibc {wanted} or newer.",
        "use a newer system: Debian 12, Ubuntu 22.04, Fedora 36, RHEL 10 or later.",
    )


def _venv() -> Problem | None:
    if not interpreter.lacks_venv():
        return None
    return Problem(
        f"{sys.executable} lacks the modules venv and ensurepip.",
        f"Debian, Ubuntu: apt install python3.{sys.version_info.minor}-venv",
    )


def _libpython() -> Problem | None:
    library = interpreter.shared_library()
    if library and interpreter.loads(library):
        return None
    minor = f"3.{sys.version_info.minor}"
    return Problem(
        f"{sys.executable} has no shared library (libpython{minor}.so.1.0), in which Triton's Python stub runs.",
        f"Debian, Ubuntu: apt install libpython{minor}\n"
        f"pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {minor}\n"
        "or name another Python: make up PYTHON=/path/to/python3.12",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _memory_limits() -> Iterable[float]:
    with Path("/proc/meminfo").open() as file:
        yield next(float(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    limit, used = _read_number("/sys/fs/cgroup/memory.max"), _read_number("/sys/fs/cgroup/memory.current")
    if limit is not None and used is not None:
        yield limit - used


def _read_number(path: str) -> float | None:
    try:
        return float(Path(path).read_text())
    except (OSError, ValueError):
        return None
