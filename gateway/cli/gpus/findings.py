"""What `doctor` tells of the GPUs, and what stops `up` before it downloads builds for them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.cli.errors import Problem
from gateway.cli.gpus import fit, trouble, wanted
from gateway.cli.gpus.nvidia_smi import Gpu, Report

DEVELOPMENT = (
    "Triton here comes from a Python package, release 24.10 without later security fixes: it is for development,\n"
    "  with a GPU as without. In production run NVIDIA's current image."
)


def findings(
    report: Report, repositories: Sequence[Path], environment: Mapping[str, str], *, cuda: bool, wsl: bool
) -> Iterator[str | Problem]:
    """What there is, then what is wrong with it. A host without a GPU, or with GPU=0, has nothing wrong."""
    for gpu in report.gpus:
        yield _line(gpu, report)
        yield from (f"  {part.name}: {part.uuid}" for part in gpu.parts)
    if wsl and report.installed:
        yield "WSL2: the driver is that of Windows; memory of other Windows programs is not listed by nvidia-smi"
    if not cuda:
        why = "CUDA_VISIBLE_DEVICES is empty" if environment.get("CUDA_VISIBLE_DEVICES") == "" else "GPU=0"
        yield "everything runs on the CPU" + (f" ({why})" if report.gpus else "")
    if cuda or not report.gpus:
        yield from problems(report, repositories, environment, cuda=cuda)
    if cuda:
        yield DEVELOPMENT


def problems(
    report: Report, repositories: Sequence[Path], environment: Mapping[str, str], *, cuda: bool
) -> list[Problem]:
    """What is wrong with the GPUs, and with models that are to run on them."""
    found = trouble.find(report, environment)
    if cuda and not report.gpus and not found:
        found.append(Problem("GPU=1 wants a GPU, and nvidia-smi finds none.", "GPU=0 runs everything on the CPU."))
    if cuda and report.gpus:
        found += fit.check(wanted.read(repositories), trouble.visible(report.gpus, environment))
    return found


def _line(gpu: Gpu, report: Report) -> str:
    cuda = "unknown" if report.cuda is None else ".".join(map(str, report.cuda))
    free = "" if gpu.free_gb is None else f", {gpu.free_gb:.1f} GB free"
    memory = "" if gpu.total_gb is None else f", {gpu.total_gb:.1f} GB{free}"
    capability = ".".join(map(str, gpu.capability))
    split = ", divided into MIG devices" if gpu.is_split else ""
    return (
        f"GPU {gpu.index}: {gpu.name}, compute capability {capability}{memory}{split}; driver {gpu.driver}, CUDA {cuda}"
    )
