"""The checked parts of a model's `config.pbtxt` that this backend needs. It refuses values that it does not understand.

`parameters` may contain keys for others (the gateway, the Python backend), so unknown keys are ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ConfigError

DEFAULT_FILENAME = "model.pt"
FRACTION = re.compile(r"\d*\.?\d+", re.ASCII)
DTYPES: dict[str, np.dtype[Any]] = {
    "TYPE_BOOL": np.dtype(np.bool_),
    "TYPE_UINT8": np.dtype(np.uint8),
    "TYPE_INT8": np.dtype(np.int8),
    "TYPE_INT16": np.dtype(np.int16),
    "TYPE_INT32": np.dtype(np.int32),
    "TYPE_INT64": np.dtype(np.int64),
    "TYPE_FP16": np.dtype(np.float16),
    "TYPE_FP32": np.dtype(np.float32),
    "TYPE_FP64": np.dtype(np.float64),
}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output, in the order of the configuration."""

    name: str
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ModelConfig:
    filename: str
    batched: bool  # whether the first dimension of every tensor is the batch
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    intra_op_threads: int | None  # None: PyTorch decides
    inter_op_threads: int | None
    inference_mode: bool
    optimized_execution: bool
    gpu_memory_fraction: float | None  # share of the GPU it runs on; None: no limit


def parse(config: Mapping[str, Any]) -> ModelConfig:
    """Parse the JSON form of `config.pbtxt` that Triton passes to a backend. Raises ConfigError."""
    parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
    threads = _count(parameters, "INTRA_OP_THREAD_COUNT")
    return ModelConfig(
        filename=config.get("default_model_filename") or DEFAULT_FILENAME,
        batched=config.get("max_batch_size", 0) > 0,
        inputs=_tensors(config, "input"),
        outputs=_tensors(config, "output"),
        intra_op_threads=threads if threads is not None else _count(parameters, "NUM_THREADS"),
        inter_op_threads=_count(parameters, "INTER_OP_THREAD_COUNT"),
        inference_mode=_flag(parameters, "INFERENCE_MODE", default=True),
        optimized_execution=not _flag(parameters, "DISABLE_OPTIMIZED_EXECUTION", default=False),
        gpu_memory_fraction=_fraction(parameters, "GPU_MEMORY_FRACTION"),
    )


def _tensors(config: Mapping[str, Any], kind: str) -> tuple[TensorSpec, ...]:
    entries: list[dict[str, Any]] = config.get(kind) or []
    if not entries:
        raise ConfigError(f"config.pbtxt lists no {kind}: TorchScript does not tell them, so write at least one.")
    for entry in entries:
        if entry["data_type"] not in DTYPES:
            raise ConfigError(
                f"the {kind} {entry['name']!r} of config.pbtxt is {entry['data_type']}, which this backend cannot pass "
                f"to PyTorch: use one of {', '.join(DTYPES)}."
            )
    return tuple(TensorSpec(entry["name"], DTYPES[entry["data_type"]]) for entry in entries)


def _count(parameters: Mapping[str, str], name: str) -> int | None:
    if name not in parameters:
        return None
    text = parameters[name].strip()
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ConfigError(f"the parameter {name} of config.pbtxt must be a whole number above 0, not {text!r}.")
    return int(text)


def _fraction(parameters: Mapping[str, str], name: str) -> float | None:
    if name not in parameters:
        return None
    text = parameters[name].strip()
    value = float(text) if FRACTION.fullmatch(text) else 0.0
    if not 0 < value <= 1:
        raise ConfigError(f"the parameter {name} of config.pbtxt must be a number above 0 and at most 1, not {text!r}.")
    return value


def _flag(parameters: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in parameters:
        return default
    text = parameters[name].strip().lower()
    if text not in ("true", "false"):
        raise ConfigError(f"the parameter {name} of config.pbtxt must be true or false, not {text!r}.")
    return text == "true"
