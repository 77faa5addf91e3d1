"""Sizes a model for an engine on the CPU, or says why the memory does not suffice (pure)."""

from math import ceil

from gateway.cli.errors import Problem
from gateway.cli.hub.hardware import GB, Machine
from gateway.cli.hub.options import Options
from gateway.cli.hub.selection import Selection
from gateway.cli.hub.shape import Shape
from gateway.cli.hub.sizing import LEAST_CONTEXT, Demand, Sizes, kv_bytes, one_of, sequences, shorter, weights_bytes

_CONTEXT = 4096
"""A CPU needs a minute to read more, so no longer context is given by default."""

_LEAVE_GB = 1.5
"""Triton itself, the gateway, and small models on PyTorch."""

_ENGINE = 2.5e9
"""The two processes of an engine with torch and vLLM, beside weights and cache."""

_GIB = 2**30
_SEQUENCES = 4
"""The cache has room for so many sequences of the whole context, if the memory suffices."""

_MOST_GIB = 8
_MOST = 64
_KERNELS = ("awq", "gptq", "compressed-tensors", "auto-round", "inc")
"""Quantisations for which vLLM documents kernels on a CPU (docs.vllm.ai, "Quantization": supported hardware)."""


def size(model: str, selection: Selection, shape: Shape, have: Machine, options: Options) -> Sizes:
    """The sizes for this machine. Raises Problem if the model does not fit."""
    dtype, notes = _dtype(shape, have, options.dtype)
    leave = _LEAVE_GB if options.leave_gb is None else options.leave_gb
    budget = (have.available_gb - leave) * GB
    demand = Demand(weights_bytes(selection, shape, dtype) + _ENGINE, kv_bytes(shape, dtype))
    own = shape.context or LEAST_CONTEXT
    context = options.max_model_len or min(own, _CONTEXT)
    if demand.tokens(budget) < context or budget < demand.fixed + _GIB:
        raise _too_small(model, demand, budget, context, have)
    if context < own:
        notes.append(f"the context is {context:,} of {own:,} tokens; MAX_MODEL_LEN sets another")
    if shape.quantization and shape.quantization not in _KERNELS:
        notes.append(f"vLLM may have no kernels on a CPU for its quantisation {shape.quantization}")
    gib = _cache_gib(demand, budget, context)
    tokens = demand.tokens(demand.fixed + gib * _GIB)
    return Sizes(
        dtype=dtype,
        max_model_len=context,
        max_num_seqs=options.max_num_seqs or sequences(tokens, context, _MOST),
        kv_cache_gib=gib,
        notes=tuple(notes),
    )


def _cache_gib(demand: Demand, budget: float, context: int) -> int:
    """Whole GiB, because vLLM's variable for them takes no others."""
    one = max(1, ceil(context * demand.per_token / _GIB))
    wished = min(_MOST_GIB, ceil(_SEQUENCES * context * demand.per_token / _GIB))
    left = int((budget - demand.fixed) // _GIB)
    return max(one, min(wished, left))


def _dtype(shape: Shape, have: Machine, wished: str | None) -> tuple[str, list[str]]:
    if wished:
        return wished, []
    if have.has_amx and not shape.quantization:
        why = "on a CPU with AMX vLLM's bfloat16 can be wrong"
        return "float32", [] if shape.dtype == "float32" else [f"its dtype is float32, because {why}"]
    return ("float32" if shape.dtype == "float32" else "bfloat16"), []


def _too_small(model: str, demand: Demand, budget: float, context: int, have: Machine) -> Problem:
    need_gb = max(demand.of(context), demand.fixed + _GIB) / GB
    left_gb = max(0.0, budget / GB)
    what = (
        f"{model} needs {need_gb:.1f} GB of memory with a context of {context:,} tokens.\n"
        f"  This machine, or the limit of this container, has {have.available_gb:.1f} GB available, {left_gb:.1f} GB of them"
        " for the model."
    )
    remedies = ["end other programs, or raise the memory limit of this container", "a smaller model"]
    if budget >= demand.fixed + _GIB and (fits := shorter(demand.tokens(budget))) >= LEAST_CONTEXT:
        remedies.insert(0, f"a shorter context: MAX_MODEL_LEN={fits}")
    return Problem(what, one_of(remedies))
