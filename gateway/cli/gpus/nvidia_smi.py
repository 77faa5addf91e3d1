"""Runs `nvidia-smi` and reads what it prints."""

import re
import shutil
import subprocess
from dataclasses import dataclass

_FIELDS = "index,name,uuid,memory.total,memory.free,compute_cap,driver_version,mig.mode.current"
_QUERY = ("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
_TIMEOUT_S = 60.0
"""The driver takes some time to wake up where no process uses it."""

_CUDA = re.compile(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)")
_MIB_PER_GB = 1e9 / 2**20


@dataclass(frozen=True)
class Gpu:
    """One GPU; a size that the driver does not tell (`[N/A]`) is None."""

    index: int
    name: str
    uuid: str
    total_gb: float | None
    free_gb: float | None
    capability: tuple[int, int]
    driver: str
    is_split: bool


@dataclass(frozen=True)
class Report:
    """What `nvidia-smi` said. `failure` is its text if it does not work; `cuda` is the newest CUDA that the driver runs."""

    installed: bool
    gpus: tuple[Gpu, ...] = ()
    cuda: tuple[int, int] | None = None
    failure: str = ""


def ask() -> Report:
    """The report of this host."""
    if shutil.which(_QUERY[0]) is None:
        return Report(installed=False)
    status, text = _run(_QUERY)
    gpus = read_gpus(text) if status == 0 else ()
    if not gpus:
        return Report(installed=True, failure=text.strip() or f"nvidia-smi ended with status {status}")
    return Report(installed=True, gpus=gpus, cuda=read_cuda(_run(_QUERY[:1])[1]))


def read_gpus(text: str) -> tuple[Gpu, ...]:
    """The GPUs of the lines of a query; other lines, such as "No devices were found", are left out."""
    rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines())
    return tuple(_gpu(row) for row in rows if len(row) == _FIELDS.count(",") + 1 and row[0].isdigit())


def read_cuda(text: str) -> tuple[int, int] | None:
    """The CUDA version in the head of the table that `nvidia-smi` prints without options."""
    found = _CUDA.search(text)
    return (int(found[1]), int(found[2])) if found else None


def _gpu(row: list[str]) -> Gpu:
    index, name, uuid, total, free, capability, driver, mig = row
    return Gpu(int(index), name, uuid, _gb(total), _gb(free), _pair(capability), driver, mig == "Enabled")


def _gb(text: str) -> float | None:
    return float(text) / _MIB_PER_GB if text.isdigit() else None


def _pair(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _run(command: tuple[str, ...]) -> tuple[int, str]:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return ended.returncode, ended.stdout + ended.stderr
