"""Checks the requirements on the machine before the long work. Each check returns a Problem or None."""

import ctypes
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Final

from gateway.cli.control_groups import available_bytes
from gateway.cli.errors import Problem
from gateway.cli.setup import interpreter

MACHINE: Final = "x86_64"
MINIMUM_GLIBC: Final = (2, 35)
"""The glibc version against which the tritonserver binary was linked."""

MINIMUM_MEMORY_GB: Final = 5.0

MINIMUM_SHARED_MEMORY_MB: Final = 440
"""An engine on a CPU has two queues of 160 and 240 MiB, and refuses to start if one does not fit; Triton's processes have
a few MiB each."""

_GB: Final = 1e9
_MB: Final = 1e6


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
    """Whether the models and their engines fit into the available memory, including the limits of control groups."""
    available = available_bytes() / _GB
    if available >= needed_gb:
        return None
    return Problem(
        f"Too little memory: {available:.1f} GB are available, Triton with the three models needs {needed_gb:.1f} GB.",
        "end other programs, or raise the memory limit of this container or virtual machine.",
    )


def shared_memory(folder: Path = Path("/dev/shm")) -> Problem | None:  # noqa: S108 - Triton uses this path
    """Whether Triton's processes and the engine's can communicate, which they do through files in /dev/shm."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        has = "is missing or can't be written"
    elif (free := shutil.disk_usage(folder).free / _MB) < MINIMUM_SHARED_MEMORY_MB:
        has = f"has {free:.0f} MB free"
    else:
        return None
    return Problem(
        f"Triton and the engine need {folder} with {MINIMUM_SHARED_MEMORY_MB} MB free, and it {has}.",
        "give the container more (docker run --shm-size=1g; Kubernetes: an emptyDir with medium: Memory at /dev/shm),\n"
        "or remove what other programs left there (ls -l /dev/shm).",
    )


def libnuma(name: str = "libnuma.so.1") -> Problem | None:
    """Whether the library is there that vLLM's build for the CPU loads; without it the engine fails with riddles."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return Problem(
            f"vLLM on the CPU needs {name}, which this machine lacks.",
            "Debian, Ubuntu: apt install libnuma1; Fedora, RHEL: dnf install numactl-libs",
        )
    return None


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
