"""What `doctor` tells of the GPUs, and what stops `up` before it downloads builds for them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gateway.cli.errors import Problem
from gateway.cli.gpus import fit, trouble
from gateway.cli.gpus.nvidia_smi import Gpu, Report

DEVELOPMENT = (
    "Triton here comes from a Python package, release 24.10 without later security fixes: it is for development,\n"
    "  with a GPU as without. In production run NVIDIA's current image."
)
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")


def findings(
    report: Report, repositories: Sequence[Path], environment: Mapping[str, str], *, cuda: bool, wsl: bool
) -> Iterator[str | Problem]:
    """What there is, then what is wrong with it. A host without a GPU, or with GPU=0, has nothing wrong."""
    for gpu in report.gpus:
        yield _line(gpu, report)
    if wsl and report.installed:
        yield "WSL2: the driver is that of Windows; memory of other Windows programs is not listed by nvidia-smi"
    if not cuda:
        yield "everything runs on the CPU" + (" (GPU=0)" if report.gpus else "")
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
        seen = trouble.visible(report.gpus, environment)
        found += [problem for file in _model_files(repositories) for problem in _misfits(file, seen)]
    return found


def _model_files(repositories: Sequence[Path]) -> list[Path]:
    return [file for repository in repositories for file in sorted(repository.glob("*/*/model.json"))]


def _misfits(file: Path, visible: Sequence[Gpu]) -> Iterator[Problem]:
    """Of one model. A file that is no JSON object is for the backend to refuse, which names the mistake."""
    try:
        written = json.loads(file.read_bytes())
    except ValueError:
        return
    arguments = cast("dict[str, Any]", written) if isinstance(written, dict) else {"engine": None}
    gpu = fit.gpu_of(arguments, visible)
    if gpu is not None and arguments.get("engine", "vllm") == "vllm":
        yield from fit.check(file.parts[-3], arguments, _weights_gb(file.parent / "weights"), gpu)


def _weights_gb(folder: Path) -> float:
    """The size of the weights; 0 for those that have not been made or downloaded."""
    return sum(path.stat().st_size for kind in _WEIGHTS for path in folder.glob(kind)) / 1e9


def _line(gpu: Gpu, report: Report) -> str:
    cuda = "unknown" if report.cuda is None else ".".join(map(str, report.cuda))
    free = "" if gpu.free_gb is None else f", {gpu.free_gb:.1f} GB free"
    memory = "" if gpu.total_gb is None else f", {gpu.total_gb:.1f} GB{free}"
    capability = ".".join(map(str, gpu.capability))
    split = ", divided into MIG devices" if gpu.is_split else ""
    return (
        f"GPU {gpu.index}: {gpu.name}, compute capability {capability}{memory}{split}; driver {gpu.driver}, CUDA {cuda}"
    )
