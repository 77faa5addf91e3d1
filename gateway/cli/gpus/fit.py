"""Whether models suit the GPUs that they get, read from their files before anything is downloaded (pure).

Only what certainly fails is told: what is not written is vLLM's to choose, and sizes are the least that can be needed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from gateway.cli.errors import Problem
from gateway.cli.gpus.nvidia_smi import Gpu
from gateway.cli.gpus.quantization import QUANTIZATIONS, of
from gateway.cli.gpus.wanted import Wanted

BFLOAT16 = (8, 0)
_NEEDS: Mapping[str, tuple[int, int]] = {
    "dtype bfloat16": BFLOAT16,
    "kv_cache_dtype fp8": (8, 0),
    "kv_cache_dtype fp8_e4m3": (8, 0),
    "kv_cache_dtype fp8_e5m2": (8, 0),
    "kv_cache_dtype nvfp4": (10, 0),
}
"""The compute capability from which vLLM has kernels for a setting."""

_INSTEAD = {"dtype": '"dtype": "float16"', "quantization": "weights of another quantisation"}
_CONTEXT_GB = 0.6
"""What CUDA itself takes of a GPU for each process."""
_USUAL_SHARE = 0.92
"""What vLLM takes of a GPU when gpu_memory_utilization is not written."""
_SPLITTING = ("tensor_parallel_size", "pipeline_parallel_size")
_COPYING = ("data_parallel_size", "prefill_context_parallel_size")
_SINGLE = ("float32", "float")
_LEFT_OF_ONLINE = 0.25
"""The least that a quantisation to 4 bits while loading leaves of weights in 16 bits."""


def check(models: Sequence[Wanted], visible: Sequence[Gpu]) -> Iterator[Problem]:
    """What of these models the visible GPUs can't do, each alone and all together."""
    by_gpu: dict[str, list[Wanted]] = {}
    for model in models:
        gpus = gpus_of(model, visible)
        yield from _kernels(model, gpus)
        for gpu in gpus:
            by_gpu.setdefault(gpu.uuid, []).append(model)
        if visible and (wanted := _count(model)) > len(visible):
            what = f"{model.name} wants {wanted} GPUs, and {len(visible)} can be seen."
            yield Problem(what, f"write smaller sizes in its model.json: {', '.join((*_SPLITTING, *_COPYING))}.")
    for uuid, gpu in {gpu.uuid: gpu for gpu in visible}.items():
        yield from _memory(by_gpu.get(uuid, []), gpu)


def gpus_of(model: Wanted, visible: Sequence[Gpu]) -> list[Gpu]:
    """The GPUs that a model gets: that of config.pbtxt, those of gpu_device_ids, or the first visible ones; none if it
    can't be told here."""
    if model.device is not None:
        return list(visible[model.device : model.device + 1])
    ours = model.arguments.get("vllm_custom")
    ids = cast("dict[str, Any]", ours).get("gpu_device_ids") if isinstance(ours, dict) else None
    if isinstance(ids, list) and ids:
        found = [_named(str(name).strip(), visible) for name in cast("list[Any]", ids)]
        return [gpu for gpu in found if gpu is not None] if None not in found else []
    return list(visible[: _count(model)])


def _named(name: str, visible: Sequence[Gpu]) -> Gpu | None:
    if name.isascii() and name.isdigit():
        return visible[int(name)] if int(name) < len(visible) else None
    return next((gpu for gpu in visible if gpu.uuid.startswith(name)), None)


def _count(model: Wanted) -> int:
    """How many GPUs of this host it wants; 0 where Ray finds them, perhaps on others."""
    arguments = model.arguments
    backends = (arguments.get("distributed_executor_backend"), arguments.get("data_parallel_backend"))
    if "ray" in backends or "external_launcher" in backends or _size(model, "nnodes") > 1:
        return 0
    if arguments.get("data_parallel_size_local") is not None:
        return 0
    return math.prod(_size(model, name) for name in (*_SPLITTING, *_COPYING))


def _size(model: Wanted, name: str) -> int:
    value = model.arguments.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and value > 1 else 1


def _kernels(model: Wanted, gpus: Sequence[Gpu]) -> Iterator[Problem]:
    method = of(model.arguments, model.config)
    settings = {name: model.arguments.get(name) for name in ("dtype", "kv_cache_dtype")} | {"quantization": method}
    for name, value in settings.items():
        needed = QUANTIZATIONS.get(str(value)) if name == "quantization" else _NEEDS.get(f"{name} {value}")
        gpu = next((gpu for gpu in gpus if needed is not None and gpu.capability < needed), None)
        if needed is not None and gpu is not None:
            need, has = (".".join(map(str, version)) for version in (needed, gpu.capability))
            what = f"{model.name}: {name} {value} needs compute capability {need}; {gpu.name} has {has}."
            yield Problem(what, f"write {_INSTEAD.get(name, f'no {name}')} in its model.json, or use a newer GPU.")


def _memory(models: Sequence[Wanted], gpu: Gpu) -> Iterator[Problem]:
    """Each alone; and where each would fit, all together, unless they take turns by sleeping."""
    if gpu.free_gb is None or gpu.total_gb is None:
        return
    needs = {model.name: _needed_gb(model, gpu.total_gb) for model in models}
    where = f"GPU {gpu.index} ({gpu.name})"
    for name, needed in needs.items():
        if needed > gpu.free_gb:
            what = f"{name} needs {needed:.1f} GB of {where}, which has {gpu.free_gb:.1f} GB free."
            yield Problem(
                what,
                "end what uses the GPU (nvidia-smi lists it), or write in model.json another device in gpu_device_ids,\n"
                "a smaller gpu_memory_utilization, or kv_cache_memory_bytes.",
            )
    total = sum(needs.values())
    sleeps = any(model.arguments.get("enable_sleep_mode") for model in models)
    if total > gpu.free_gb and max(needs.values()) <= gpu.free_gb and not sleeps:
        each = ", ".join(f"{name} {needed:.1f}" for name, needed in needs.items())
        what = f"The models on {where} need {total:.1f} GB together, and it has {gpu.free_gb:.1f} GB free: {each}."
        yield Problem(
            what,
            "write in each model.json a smaller gpu_memory_utilization (0.92 unless it is written) or\n"
            "kv_cache_memory_bytes, or in some another device in gpu_device_ids.",
        )


def _needed_gb(model: Wanted, total_gb: float) -> float:
    """The least of one GPU with this memory."""
    arguments = model.arguments
    loaded = _weights_gb(model) + _CONTEXT_GB
    cache, share = arguments.get("kv_cache_memory_bytes"), arguments.get("gpu_memory_utilization", _USUAL_SHARE)
    if isinstance(cache, int):
        return loaded + cache / 1e9
    return max(loaded, total_gb * share if isinstance(share, int | float) else 0.0)


def _weights_gb(model: Wanted) -> float:
    """The least that the weights take of one GPU, which may be less than their files."""
    arguments, config = model.arguments, model.config
    size = model.weights_gb / math.prod(_size(model, name) for name in _SPLITTING)
    if (config.get("dtype") or config.get("torch_dtype")) in _SINGLE and arguments.get("dtype") not in _SINGLE:
        size /= 2  # vLLM loads them in 16 bits
    if arguments.get("quantization") is not None and of({}, config) is None:
        size *= _LEFT_OF_ONLINE
    offloaded = arguments.get("cpu_offload_gb")
    return max(0.0, size - (offloaded if isinstance(offloaded, int | float) else 0.0))
