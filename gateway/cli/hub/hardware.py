"""The memory that there is for a model: that of the GPUs that it gets, or this machine's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.cli.control_groups import available_bytes
from gateway.cli.errors import Problem
from gateway.cli.gpus import trouble
from gateway.cli.gpus.nvidia_smi import Gpu, Report
from gateway.cli.hub.options import Options

GB = 1e9
_AMX = re.compile(r"\bamx_bf16\b")
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Cards:
    """The GPUs that the model gets, and how many are visible. Their sizes are None where they can't be told here; `cards` is
    empty if not even their kind can, as of a MIG device that `nvidia-smi -L` does not list."""

    cards: tuple[Gpu, ...]
    visible: int


@dataclass(frozen=True)
class Machine:
    """A host whose engine runs on the CPU. `has_amx`: vLLM computes bfloat16 with AMX there (docs/adr/0004)."""

    available_gb: float
    has_amx: bool


def find(options: Options, report: Report, environment: Mapping[str, str], *, cpu_build: bool) -> Cards | Machine:
    """What the model gets. Raises Problem where vLLM was built for GPUs and there are too few."""
    on_cpu = options.device == "cpu" or (options.device == "auto" and cpu_build)
    return this_machine() if on_cpu else cards(options, report, environment)


def this_machine(cpuinfo: Path = _CPUINFO) -> Machine:
    """This machine, with the limits of its control groups."""
    return Machine(available_bytes() / GB, has_amx=bool(_AMX.search(cpuinfo.read_text(errors="replace"))))


def cards(options: Options, report: Report, environment: Mapping[str, str]) -> Cards:
    """The GPUs that are named, or the first visible ones. Raises Problem."""
    if not report.gpus:
        found = trouble.find(report, environment)
        raise (
            found[0]
            if found
            else Problem(
                "vLLM was built for GPUs, and nvidia-smi finds none here.",
                "give this host or container a GPU (docker run --gpus all), or use a build of vLLM for the CPU.",
            )
        )
    visible = [_sized(gpu) for gpu in trouble.visible(report.gpus, environment)]
    if not visible and _names_mig(environment):
        return Cards((), options.tensor_parallel_size)
    chosen = [_named(name, visible) for name in options.gpu_device_ids] or visible[: options.tensor_parallel_size]
    if len(chosen) != options.tensor_parallel_size:
        raise _wrong_number(options, len(visible))
    return Cards(tuple(chosen), len(visible))


def _names_mig(environment: Mapping[str, str]) -> bool:
    return environment.get("CUDA_VISIBLE_DEVICES", "").strip().startswith("MIG-")


def _sized(gpu: Gpu) -> Gpu:
    """With the sizes that count: of a divided GPU no program gets all; one without memory of its own has the machine's."""
    if gpu.is_split:
        return replace(gpu, total_gb=None, free_gb=None)
    if gpu.total_gb is None:
        available = available_bytes() / GB
        return replace(gpu, total_gb=available, free_gb=available)
    return gpu


def _named(name: str, visible: Sequence[Gpu]) -> Gpu:
    """As the backend reads gpu_device_ids: an index into the visible GPUs, or a UUID."""
    if name.isdigit() and int(name) < len(visible):
        return visible[int(name)]
    for gpu in visible:
        if not name.isdigit() and gpu.uuid.startswith(name):
            return gpu
    raise Problem(
        f"--gpu-device-ids names {name}, which is none of the {len(visible)} visible GPUs.",
        "write indices from 0, or UUIDs as `nvidia-smi -L` shows them.",
    )


def _wrong_number(options: Options, visible: int) -> Problem:
    wanted = options.tensor_parallel_size
    if options.gpu_device_ids:
        what = f"TENSOR_PARALLEL_SIZE={wanted}, and --gpu-device-ids names {len(options.gpu_device_ids)}."
        return Problem(what, "name as many GPUs as the model is split over.")
    what = f"TENSOR_PARALLEL_SIZE={wanted} wants {wanted} GPUs, and {visible} are visible."
    fix = "choose a smaller number, or make more GPUs visible (CUDA_VISIBLE_DEVICES, the container's devices)."
    return Problem(what, fix)
