"""Why a GPU of this host can't be used, and what to do about it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from gateway.cli.errors import Problem
from gateway.cli.gpus.nvidia_smi import Gpu, Report

NEEDED_CUDA = (13, 0)
"""The CUDA version of the builds in requirements/*-cuda-*.txt."""

NEEDED_DRIVER = 580
LEAST_CAPABILITY = (7, 5)
"""The oldest GPUs for which CUDA 13 has code: Turing."""

_DATA_CENTRE = frozenset(
    "Tesla T4 A2 A10 A10G A16 A30 A40 A100 A800 L2 L4 L20 L40 L40S H20 H100 H200 H800 GH200".split()
    + "B100 B200 B300 GB200 GB300".split()
)
_WSL_PROGRAM = "/usr/lib/wsl/lib/nvidia-smi"
_ON_THE_CPU = "GPU=0 runs everything on the CPU."

_FAILURES = (
    (
        "Driver/library version mismatch",
        "the driver was upgraded, and the kernel still has the old module",
        "reboot; or, with no program on the GPU: rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && modprobe nvidia.",
    ),
    (
        "Failed to initialize NVML: Unknown Error",
        "this container has lost its access to the GPU, as happens when systemd reloads its units",
        "restart the container; name the devices (docker run --device /dev/nvidia0 --device /dev/nvidiactl\n"
        "--device /dev/nvidia-uvm …), or set the daemon's native.cgroupdriver=cgroupfs, so that it does not come back.",
    ),
    (
        "couldn't communicate with the NVIDIA driver",
        "the driver's kernel module is not loaded",
        "modprobe nvidia; after an update of the kernel, install the driver again (dkms autoinstall) and reboot.",
    ),
    (
        "GPU access blocked by the operating system",
        "the devices of the driver can't be opened",
        "in WSL2: update the Windows driver, then run `wsl --update` and `wsl --shutdown` in Windows;\n"
        "in a container: give it /dev/nvidiactl and the GPUs (--gpus all); elsewhere: look at the rights of /dev/nvidia*.",
    ),
    (
        "No devices were found",
        "the driver sees no GPU",
        "in a container: give it the GPUs (--gpus all); elsewhere look at `dmesg | grep -i -e nvrm -e xid`:\n"
        "the GPU has fallen off the bus, or needs another driver.",
    ),
    (
        "Unable to determine the device handle",
        "a GPU does not answer any more",
        "look at `dmesg | grep -i -e nvrm -e xid` for its error; a reboot resets the GPU.",
    ),
    (
        "couldn't find libnvidia-ml.so",
        "a library of the driver is missing",
        "in a container: NVIDIA_DRIVER_CAPABILITIES must contain `utility`; elsewhere: install the driver again.",
    ),
    (
        "is not a valid field to query",
        "the driver is older than 510",
        "install driver 580 or newer.",
    ),
)


def find(
    report: Report, environment: Mapping[str, str], exists: Callable[[str], bool] = os.path.exists
) -> list[Problem]:
    """All that stands between this host and its GPUs; empty also for a host that has none."""
    if not report.installed:
        return list(_hidden_gpu(exists))
    if report.failure:
        return [_failure(report.failure)]
    seen = visible(report.gpus, environment)
    return [*_old_driver(report), *_old_cards(seen), *_masked(report.gpus, environment), *_without_parts(seen)]


def visible(gpus: Sequence[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
    """The GPUs and MIG devices that CUDA shows, in its order, by CUDA_VISIBLE_DEVICES. Where one is split, CUDA shows a
    process that names none the first MIG device only. Numbers are those of nvidia-smi, as `up` has CUDA count."""
    mask = environment.get("CUDA_VISIBLE_DEVICES")
    if mask is None:
        parts = [part for gpu in gpus for part in gpu.parts]
        return parts[:1] or list(gpus)
    names = takewhile(lambda name: _named(name, gpus), (part.strip() for part in mask.split(",")))
    named = [gpu for name in names for gpu in _named(name, gpus)]
    return [gpu.parts[0] if gpu.parts else gpu for gpu in named]


def is_wsl(kernel: Path = Path("/proc/version")) -> bool:
    """Whether this is Linux inside Windows, where the driver belongs to Windows."""
    return "microsoft" in kernel.read_text().lower()


def _hidden_gpu(exists: Callable[[str], bool]) -> Iterator[Problem]:
    if exists(_WSL_PROGRAM):
        what = f"This WSL2 has a GPU driver, and nvidia-smi is not on PATH: it is {_WSL_PROGRAM}."
        yield Problem(what, 'write PATH="/usr/lib/wsl/lib:$PATH" before the command.')
    elif exists("/proc/driver/nvidia/version") or exists("/dev/nvidiactl"):
        what = "This host has a GPU driver, and nvidia-smi is not on PATH"
        if exists("/.dockerenv") or exists("/run/.containerenv"):
            what = "The host of this container has a GPU driver, and the container was not given it"
        fix = "in a container: install the NVIDIA Container Toolkit and start it with `--gpus all`;\n"
        yield Problem(f"{what}: everything runs on the CPU.", f"{fix}elsewhere: install the package nvidia-utils.")


def _failure(text: str) -> Problem:
    for mark, what, fix in _FAILURES:
        if mark in text:
            return Problem(f"nvidia-smi says {mark!r}: {what}.", f"{fix}\n{_ON_THE_CPU}")
    return Problem(f"nvidia-smi does not work: {text.splitlines()[0]}", f"mend the driver. {_ON_THE_CPU}")


def _old_driver(report: Report) -> Iterator[Problem]:
    driver, first = report.gpus[0].driver, report.gpus[0].name
    if report.cuda is None or report.cuda >= NEEDED_CUDA:
        return
    need, has = (".".join(map(str, version)) for version in (NEEDED_CUDA, report.cuda))
    fix = f"install driver {NEEDED_DRIVER} or newer."
    if any(word in first.replace("-", " ").split() for word in _DATA_CENTRE):
        fix += f" {first} is a data-centre card: the package cuda-compat-13-0 makes do with an older driver."
    else:
        fix += f" Forward compatibility (cuda-compat) is for data-centre cards and not for {first}."
    yield Problem(f"The driver {driver} runs CUDA up to {has}; vLLM's build needs {need}.", f"{fix}\n{_ON_THE_CPU}")


def _named(name: str, gpus: Sequence[Gpu]) -> list[Gpu]:
    if name.startswith("MIG-"):
        return [part for gpu in gpus for part in gpu.parts if part.uuid.startswith(name)]
    return [gpu for gpu in gpus if name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name))]


def _old_cards(gpus: Sequence[Gpu]) -> Iterator[Problem]:
    for gpu in gpus:
        if gpu.capability < LEAST_CAPABILITY:
            has = ".".join(map(str, gpu.capability))
            what = f"GPU {gpu.index} ({gpu.name}) has compute capability {has}; CUDA 13 needs 7.5 (Turing) or newer."
            yield Problem(what, f"hide it (CUDA_VISIBLE_DEVICES with the others). {_ON_THE_CPU}")


def _without_parts(gpus: Sequence[Gpu]) -> Iterator[Problem]:
    if gpus and all(gpu.is_split and not gpu.parts for gpu in gpus):
        number = gpus[0].index
        what = f"GPU {number} ({gpus[0].name}) is in MIG mode and has no MIG device, so CUDA can't use it."
        yield Problem(what, f"make one (nvidia-smi mig -i {number} -cgi PROFILE -C), or end MIG mode. {_ON_THE_CPU}")


def _masked(gpus: tuple[Gpu, ...], environment: Mapping[str, str]) -> Iterator[Problem]:
    """Names in CUDA_VISIBLE_DEVICES that name nothing; CUDA hides such a name and all that follow it."""
    mask = environment.get("CUDA_VISIBLE_DEVICES")
    if mask is None:
        return
    for name in (part.strip() for part in mask.split(",")):
        if name.startswith("MIG-GPU-"):
            continue  # the older way to name a MIG device
        match = _named(name, gpus)
        if not match:
            fix = "unset it, or name GPUs as `nvidia-smi -L` lists them."
            yield Problem(
                f"CUDA_VISIBLE_DEVICES={mask} hides GPUs: {name or 'an empty name'!r} is none of this host.", fix
            )
            return
        if match[0].is_split and match[0].parts:
            what = f"CUDA_VISIBLE_DEVICES names GPU {name}, which is divided into MIG devices."
            yield Problem(what, "name one of its MIG devices: `nvidia-smi -L` lists their UUIDs (MIG-…).")
