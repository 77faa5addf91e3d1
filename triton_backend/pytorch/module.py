"""The only code that touches PyTorch: a TorchScript file, its device and threads, and a call from arrays to arrays."""

import gc
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from .config import ModelConfig
from .errors import ConfigError, ModelError

# A call can raise torch.jit.Error (not a RuntimeError) for errors that the script itself raises; operators raise the others.
CALL_ERRORS = (torch.jit.Error, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)

log = logging.getLogger(__name__)


class TorchModule:
    """A loaded model. It is not thread-safe, because Triton gives an instance one batch at a time."""

    def __init__(self, path: Path, config: ModelConfig, kind: str, device_id: int) -> None:
        """`kind` is Triton's kind of instance: CPU, GPU or MODEL. Raises ConfigError."""
        _set_threads(config)
        self._inference_mode = config.inference_mode
        self._optimized = config.optimized_execution
        self._device = _device(kind, device_id)
        _make_current(self._device)
        _limit_memory(self._device, config.gpu_memory_fraction)
        self._module = _load(path, None if kind == "MODEL" else self._device)

    @property
    def arguments(self) -> list[str]:
        """The names of forward()'s arguments."""
        _, *arguments = self._module.forward.schema.arguments  # the first is the module itself
        for argument in arguments:
            if str(argument.type) != "Tensor":
                raise ConfigError(
                    f"forward() of the model takes {argument.name!r} as {argument.type}: only tensors can be served."
                )
        return [argument.name for argument in arguments]

    @property
    def result_count(self) -> int | None:
        """How many tensors forward() returns; None for a list, whose length is known only after a call."""
        (result,) = self._module.forward.schema.returns
        kind = result.type.kind()
        if kind == "TensorType":
            return 1
        if kind == "TupleType":
            return len(result.type.elements())
        if kind == "ListType":
            return None
        raise ConfigError(
            f"forward() of the model gives {result.type}: only a tensor, a tuple or a list can be served."
        )

    def __call__(self, arguments: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The results as arrays on the CPU. Raises ModelError with the last line of the model's own error."""
        try:
            with ExitStack() as modes:
                # Set for each call: all of these belong to the thread, and Triton does not guarantee which thread calls.
                modes.enter_context(torch.no_grad())
                modes.enter_context(torch.inference_mode(self._inference_mode))
                modes.enter_context(torch.jit.optimized_execution(self._optimized))
                if self._device.type == "cuda":
                    modes.enter_context(torch.cuda.device(self._device))
                tensors = [torch.from_numpy(argument).to(self._device) for argument in arguments]
                return [np.ascontiguousarray(result.cpu().numpy()) for result in _as_list(self._module(*tensors))]
        except CALL_ERRORS as error:
            raise ModelError(f"the model failed: {_last_line(error)}") from error

    def close(self) -> None:
        """Free the memory. The module can't be called afterwards."""
        del self._module
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _as_list(result: object) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result]
    entries = cast("Sequence[object]", result) if isinstance(result, (list, tuple)) else ()
    tensors = [entry for entry in entries if isinstance(entry, torch.Tensor)]
    if not tensors or len(tensors) < len(entries):
        raise TypeError("forward() gave something other than a tensor, or a tuple or list of tensors")
    return tensors


def _last_line(error: Exception) -> str:
    """The sentence that says what is wrong; TorchScript puts the source and a stack before it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _load(path: Path, device: torch.device | None) -> torch.jit.ScriptModule:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: put the TorchScript file there, or set default_model_filename.")
    try:
        return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a TorchScript file that this PyTorch can read (torch.jit.save writes one): "
            f"{_last_line(error)}"
        ) from error


def _device(kind: str, device_id: int) -> torch.device:
    """The device for the inputs, and for the model unless the kind is MODEL: such a model was saved with its own devices."""
    if kind != "GPU":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        # KIND_AUTO on a host with a GPU: Triton sees the GPU, but a PyTorch built for the CPU does not.
        log.warning("Triton placed this model on a GPU, but this PyTorch has no CUDA: it runs on the CPU.")
        return torch.device("cpu")
    return torch.device("cuda", device_id)


def _make_current(device: torch.device) -> None:
    """Set PyTorch's current device. With GPU 0 as current device, a model on GPU 1 takes 518 MiB of GPU 0 for a context."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def _limit_memory(device: torch.device, fraction: float | None) -> None:
    """Limit the GPU memory of this process, so that an engine on the same GPU keeps its share. Call it before using it."""
    if fraction is not None and device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(fraction, device)


def _set_threads(config: ModelConfig) -> None:
    if config.intra_op_threads is not None:
        torch.set_num_threads(config.intra_op_threads)
    if config.inter_op_threads is not None:
        torch.set_num_interop_threads(config.inter_op_threads)
