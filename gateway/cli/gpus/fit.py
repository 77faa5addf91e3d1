"""Whether a model's settings and size suit a GPU, read from model.json before anything is downloaded (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.cli.errors import Problem
from gateway.cli.gpus.nvidia_smi import Gpu

QUANTIZATIONS: Mapping[str, tuple[int, int]] = {
    "experts_int8": (8, 0),
    "fbgemm_fp8": (8, 0),
    "fp_quant": (10, 0),
    "modelopt": (8, 0),
    "modelopt_mxfp8": (8, 0),
    "mxfp4": (8, 0),
    "mxfp8": (8, 0),
}
"""The compute capability from which vLLM has kernels for a quantisation, where CUDA 13's own 7.5 does not suffice."""

BFLOAT16 = (8, 0)
_NEEDS: Mapping[str, tuple[int, int]] = {
    "dtype bfloat16": BFLOAT16,
    "kv_cache_dtype fp8": (8, 9),
    **{f"quantization {name}": capability for name, capability in QUANTIZATIONS.items()},
}
"""The same for each setting that model.json may have."""

_INSTEAD = {"dtype": '"dtype": "float16"', "quantization": "weights of another quantisation"}
_CONTEXT_GB = 0.6
"""What CUDA itself takes of a GPU for each process."""


def gpu_of(arguments: Mapping[str, Any], visible: Sequence[Gpu]) -> Gpu | None:
    """The first GPU that a model gets: that of gpu_device_ids, or the first visible one; None if it can't be told here."""
    ours: Mapping[str, Any] = arguments.get("vllm_custom") or {}
    ids: list[int | str] = ours.get("gpu_device_ids") or [0]
    first = str(ids[0])
    if not first.isdigit():
        return next((gpu for gpu in visible if gpu.uuid.startswith(first)), None)
    return visible[int(first)] if int(first) < len(visible) else None


def check(model: str, arguments: Mapping[str, Any], weights_gb: float, gpu: Gpu) -> Iterator[Problem]:
    """What of these engine arguments the GPU can't do, and whether the memory suffices."""
    yield from _kernels(model, arguments, gpu)
    yield from _memory(model, arguments, weights_gb, gpu)


def _kernels(model: str, arguments: Mapping[str, Any], gpu: Gpu) -> Iterator[Problem]:
    for name in ("dtype", "quantization", "kv_cache_dtype"):
        needed = _NEEDS.get(f"{name} {arguments.get(name)}")
        if needed is not None and gpu.capability < needed:
            need, has = (".".join(map(str, version)) for version in (needed, gpu.capability))
            what = f"{model}: {name} {arguments[name]} needs compute capability {need}; {gpu.name} has {has}."
            yield Problem(what, f"write {_INSTEAD.get(name, f'no {name}')} in its model.json, or use a newer GPU.")


def _memory(model: str, arguments: Mapping[str, Any], weights_gb: float, gpu: Gpu) -> Iterator[Problem]:
    cache = arguments.get("kv_cache_memory_bytes")
    weights_gb /= (arguments.get("tensor_parallel_size") or 1) * (arguments.get("pipeline_parallel_size") or 1)
    if gpu.free_gb is None or gpu.total_gb is None:
        return
    share = arguments.get("gpu_memory_utilization", 0.92)
    if isinstance(cache, int):
        needed = weights_gb + _CONTEXT_GB + cache / 1e9
    else:
        needed = gpu.total_gb * (share if isinstance(share, int | float) else 0.0)
    needed = max(needed, weights_gb + _CONTEXT_GB)
    if needed > gpu.free_gb:
        what = f"{model} needs {needed:.1f} GB of GPU {gpu.index} ({gpu.name}), which has {gpu.free_gb:.1f} GB free."
        yield Problem(
            what,
            "end what uses the GPU (nvidia-smi lists it), or write in model.json another device in gpu_device_ids,\n"
            "a smaller gpu_memory_utilization, or kv_cache_memory_bytes.",
        )
