"""Sizes a model for GPUs, or says why they are too small (pure).

Of each GPU vLLM takes a share. In it lie the weights, what a step needs, and the KV cache, which gets the rest.
"""

from collections.abc import Sequence
from math import floor

from gateway.cli.errors import Problem
from gateway.cli.gpus import fit
from gateway.cli.gpus.nvidia_smi import Gpu
from gateway.cli.gpus.quantization import QUANTIZATIONS
from gateway.cli.hub.hardware import GB, Cards
from gateway.cli.hub.options import Options
from gateway.cli.hub.selection import Selection
from gateway.cli.hub.shape import Shape
from gateway.cli.hub.sizing import LEAST_CONTEXT, Demand, Sizes, kv_bytes, one_of, sequences, shorter, weights_bytes

_SHARE = 0.85
"""Other models share the GPU: the embedders and classifiers of the same Triton."""

_LARGEST_SHARE = 0.95
"""What a model alone on its GPU may take."""

_LEAVE_GB = 1.5
"""What they take: a CUDA context each, and little else."""

_CONTEXT = 0.6e9
"""CUDA's own context of an engine process."""

_GRAPHS = 0.7e9
"""CUDA graphs, and the workspaces of kernels."""

_ENCODER = 1.5e9
"""One step of the encoder of a model that reads images."""

_USABLE = 0.85
"""Of the memory that is left for the cache by this reckoning: the start measures it, and fails if it is less."""

_LARGE_GB = 70.0
"""From here vLLM takes larger steps by default."""

_NO_FLOAT16 = ("gemma2", "gemma3", "gemma3_text", "glm4")
"""vLLM refuses float16 for these, because they overflow."""

_MOST_GPUS = 16


def size(model: str, selection: Selection, shape: Shape, have: Cards, options: Options) -> Sizes:
    """The sizes for these GPUs. Raises Problem if the model can't run on them."""
    _check_split(model, shape, options.tensor_parallel_size)
    for gpu in have.cards:
        _check_quantization(model, shape, gpu)
    dtype, notes = _dtype(shape, have.cards, options.dtype)
    if not have.cards or any(gpu.total_gb is None or gpu.free_gb is None for gpu in have.cards):
        notes += ["how much memory it gets can't be told here: whether it fits is not checked"]
        context, share = options.max_model_len or shape.context, options.gpu_memory_utilization or _SHARE
        return Sizes(
            dtype=dtype,
            max_model_len=context,
            max_num_seqs=options.max_num_seqs,
            gpu_memory_utilization=share,
            notes=tuple(notes),
        )
    return _Sizing(model, selection, shape, have, options, dtype).sizes(notes)


class _Sizing:
    """One sizing for GPUs whose memory is known. The smallest of them decides."""

    def __init__(
        self, model: str, selection: Selection, shape: Shape, have: Cards, options: Options, dtype: str | None
    ) -> None:
        self._model = model
        self._selection = selection
        self._shape = shape
        self._have = have
        self._options = options
        self._dtype = dtype
        self._share = options.gpu_memory_utilization or min(map(self._largest_share, have.cards))
        self._total_gb = min(gpu.total_gb or 0.0 for gpu in have.cards)
        self._most = options.max_num_seqs or (512 if self._total_gb >= _LARGE_GB else 256)

    def sizes(self, notes: list[str]) -> Sizes:
        self._check_free()
        tokens = self._tokens(self._options.tensor_parallel_size)
        wished = self._options.max_model_len or self._shape.context or LEAST_CONTEXT
        context = wished if tokens >= wished else shorter(tokens)
        if context < wished and (self._options.max_model_len or context < LEAST_CONTEXT):
            raise self._too_small(wished if self._options.max_model_len else min(wished, LEAST_CONTEXT), tokens)
        if context < wished:
            notes.append(f"the context is {context:,} of {wished:,} tokens, because the cache can't hold more")
        written = context if self._shape.context or self._options.max_model_len else None
        return Sizes(
            dtype=self._dtype,
            max_model_len=written,
            max_num_seqs=self._options.max_num_seqs or sequences(tokens, context, self._most),
            gpu_memory_utilization=self._share,
            notes=tuple(notes),
        )

    def _largest_share(self, gpu: Gpu) -> float:
        leave = _LEAVE_GB if self._options.leave_gb is None else self._options.leave_gb
        share = ((gpu.free_gb or 0.0) - leave) / (gpu.total_gb or 1.0)
        return max(0.0, min(_SHARE, floor(share * 100) / 100))

    def _check_free(self) -> None:
        """vLLM does not start unless its share is free."""
        given = self._options.gpu_memory_utilization
        for gpu in self._have.cards:
            total, free = gpu.total_gb or 0.0, gpu.free_gb or 0.0
            if given and given * total > free:
                what = f"GPU_MEMORY_UTILIZATION={given} is {given * total:.1f} GB of {_name(gpu)}"
                raise Problem(
                    f"{what}, which has {free:.1f} GB free.",
                    "give a smaller share, or end what uses the GPU (nvidia-smi lists it).",
                )

    def _tokens(self, devices: int, share: float | None = None) -> float:
        """How many tokens the cache surely holds on each of so many GPUs of this size, with that share of them."""
        demand = self._demand(devices)
        return demand.tokens((share or self._share) * self._total_gb * GB) * _USABLE

    def _demand(self, devices: int) -> Demand:
        shape = self._shape
        step = 8192 if self._total_gb >= _LARGE_GB else 2048
        activations = step * (4 * shape.hidden + 2 * shape.intermediate / devices) * 2
        logits = self._most * shape.vocabulary * 4 * 2.5
        encoder = _ENCODER if shape.has_other_modalities else 0.0
        weights = weights_bytes(self._selection, shape, self._dtype) / devices
        fixed = weights + _CONTEXT + _GRAPHS + activations + logits + encoder
        return Demand(fixed, kv_bytes(shape, self._dtype, devices))

    def _too_small(self, context: int, tokens: float) -> Problem:
        devices = self._options.tensor_parallel_size
        weights_gb = weights_bytes(self._selection, self._shape, self._dtype) / devices / GB
        demand = self._demand(devices)
        need_gb = (demand.fixed + context * demand.per_token / _USABLE) / GB
        gpu = min(self._have.cards, key=lambda each: each.total_gb or 0.0)
        each = "" if devices == 1 else f" of each of {devices} GPUs"
        what = (
            f"{self._model} needs {need_gb:.1f} GB{each}: {weights_gb:.1f} GB for its weights, the rest to work and for one"
            f" sequence of {context:,} tokens.\n  {_name(gpu)} has {gpu.total_gb:.1f} GB, {gpu.free_gb:.1f} GB of them free,"
            f" and gives {self._share * self._total_gb:.1f} GB to it."
        )
        return Problem(what, one_of(self._remedies(context, tokens)))

    def _remedies(self, context: int, tokens: float) -> list[str]:
        remedies: list[str] = []
        if shorter(tokens) >= LEAST_CONTEXT:
            remedies.append(f"a shorter context: MAX_MODEL_LEN={shorter(tokens)}")
        here = self._options.tensor_parallel_size
        enough = (n for n in _splits(self._shape) if n > here and self._tokens(n) >= context)
        if (number := next(enough, None)) is not None:
            where = "of the GPUs here" if number <= self._have.visible else "GPUs of this size"
            remedies.append(f"{number} {where}: TENSOR_PARALLEL_SIZE={number}")
        if not self._shape.quantization:
            remedies.append("a quantised variant of the model (its name on the hub often ends in -FP8, -AWQ or -GPTQ)")
        if any((gpu.free_gb or 0.0) < _SHARE * (gpu.total_gb or 0.0) for gpu in self._have.cards):
            remedies.append("end what uses the GPU (nvidia-smi lists it)")
        if self._options.gpu_memory_utilization is None and self._tokens(here, _LARGEST_SHARE) >= context:
            remedies.append(f"a larger share, if nothing else needs the GPU: GPU_MEMORY_UTILIZATION={_LARGEST_SHARE}")
        return [*remedies, "a smaller model, or a GPU with more memory"]


def _check_split(model: str, shape: Shape, devices: int) -> None:
    if devices == 1 or not shape.heads or devices in _splits(shape):
        return
    fits = ", ".join(map(str, _splits(shape)))
    what = f"TENSOR_PARALLEL_SIZE={devices} can't split {model}, which has {shape.heads} attention heads"
    raise Problem(f"{what} ({shape.kv_heads} for keys and values).", f"choose one of {fits}.")


def _check_quantization(model: str, shape: Shape, gpu: Gpu) -> None:
    needed = QUANTIZATIONS.get(shape.quantization or "", gpu.capability)
    if gpu.capability < needed:
        need, has = (".".join(map(str, version)) for version in (needed, gpu.capability))
        what = f"{model} is quantised by {shape.quantization}, which needs compute capability {need}"
        raise Problem(
            f"{what}; {_name(gpu)} has {has}.",
            "choose a variant of the model with another quantisation (AWQ, GPTQ), or a newer GPU.",
        )


def _splits(shape: Shape) -> list[int]:
    """The numbers of GPUs over which vLLM can split the attention heads."""
    return [
        number
        for number in range(1, _MOST_GPUS + 1)
        if shape.heads
        and shape.heads % number == 0
        and (shape.latent or shape.kv_heads % number == 0 or number % shape.kv_heads == 0)
    ]


def _dtype(shape: Shape, cards: Sequence[Gpu], wished: str | None) -> tuple[str | None, list[str]]:
    """The dtype to write, or None for the model's own; and what to tell of it."""
    old = [gpu for gpu in cards if gpu.capability < fit.BFLOAT16]
    if wished or not old:
        return wished, []
    dtype = "float32" if shape.model_type in _NO_FLOAT16 and not shape.quantization else "float16"
    capability = ".".join(map(str, old[0].capability))
    why = f"{old[0].name} (compute capability {capability}) can't compute in bfloat16"
    return dtype, [] if shape.dtype == dtype else [f"its dtype is {dtype}, because {why}"]


def _name(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"
