"""Runs `nvidia-smi` and reads what it prints."""

import re
import shutil
import subprocess
from dataclasses import dataclass, replace

_FIELDS = "index,name,uuid,memory.total,memory.free,compute_cap,driver_version,mig.mode.current"
_QUERY = ("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
_LISTING = ("nvidia-smi", "-L")
_TIMEOUT_S = 60.0
"""The driver takes some time to wake up where no process uses it."""

_CUDA = re.compile(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)")
_LISTED = re.compile(r"^ *(GPU|MIG) (.*?)(?: +Device +\d+)?: .*?\(UUID: ([^)]+)\)", re.MULTILINE)
_PROFILE_GB = re.compile(r"(\d+)gb")
_MIB_PER_GB = 1e9 / 2**20
_GIB_PER_GB = 1e9 / 2**30


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG device of it; a size that the driver does not tell (`[N/A]`) is None.

    `parts` are the MIG devices of a GPU that is split. Their memory is that of their profile, which is a little more than
    they have, and counts as free, because nvidia-smi does not tell more in its short forms.
    """

    index: int
    name: str
    uuid: str
    total_gb: float | None
    free_gb: float | None
    capability: tuple[int, int]
    driver: str
    is_split: bool
    parts: tuple["Gpu", ...] = ()


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
    if any(gpu.is_split for gpu in gpus):
        gpus = with_parts(gpus, _run(_LISTING)[1])
    return Report(installed=True, gpus=gpus, cuda=read_cuda(_run(_QUERY[:1])[1]))


def read_gpus(text: str) -> tuple[Gpu, ...]:
    """The GPUs of the lines of a query; other lines, such as "No devices were found", are left out."""
    rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines())
    return tuple(_gpu(row) for row in rows if len(row) == _FIELDS.count(",") + 1 and row[0].isdigit())


def with_parts(gpus: tuple[Gpu, ...], listing: str) -> tuple[Gpu, ...]:
    """The GPUs with the MIG devices that `nvidia-smi -L` lists below each."""
    parts: dict[str, tuple[Gpu, ...]] = {gpu.uuid: () for gpu in gpus}
    whole: Gpu | None = None
    for kind, name, uuid in _LISTED.findall(listing):
        if kind == "GPU":
            whole = next((gpu for gpu in gpus if gpu.uuid == uuid), None)
        elif whole is not None:
            parts[whole.uuid] += (_part(whole, name, uuid),)
    return tuple(replace(gpu, parts=parts[gpu.uuid]) for gpu in gpus)


def read_cuda(text: str) -> tuple[int, int] | None:
    """The CUDA version in the head of the table that `nvidia-smi` prints without options."""
    found = _CUDA.search(text)
    return (int(found[1]), int(found[2])) if found else None


def _gpu(row: list[str]) -> Gpu:
    index, name, uuid, total, free, capability, driver, mig = row
    return Gpu(int(index), name, uuid, _gb(total), _gb(free), _pair(capability), driver, mig == "Enabled")


def _part(whole: Gpu, profile: str, uuid: str) -> Gpu:
    """A MIG device by its profile, such as 3g.20gb."""
    size = _PROFILE_GB.search(profile)
    gb = int(size[1]) / _GIB_PER_GB if size else None
    name = f"{whole.name} MIG {profile}"
    return replace(whole, name=name, uuid=uuid, total_gb=gb, free_gb=gb, is_split=False)


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
