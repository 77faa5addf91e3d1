"""Converts Triton's tensors to arrays and back. Besides model.py, only this module uses Triton's Python API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from .config import TensorSpec
from .errors import AnswerError, ModelError, RequestError

Request = pb_utils.InferenceRequest
Response = pb_utils.InferenceResponse


@dataclass(frozen=True)
class Inputs:
    """One request's arrays, in the order of the configuration."""

    arrays: tuple[NDArray[Any], ...]

    @property
    def rows(self) -> int:
        """How many rows of a batch belong to this request; only for a batched model."""
        return self.arrays[0].shape[0]

    @property
    def row_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the rows. Requests with equal row shapes can be stacked."""
        return tuple(array.shape[1:] for array in self.arrays)


def read(request: Request, specs: Sequence[TensorSpec], *, batched: bool) -> Inputs:
    """Raises RequestError when a tensor is missing, or has a type or batch size that does not fit."""
    inputs = Inputs(tuple(_array(request, spec) for spec in specs))
    if batched:
        sizes = {array.shape[0] if array.ndim else None for array in inputs.arrays}
        if len(sizes) > 1 or None in sizes:
            raise RequestError(f"the inputs {_names(specs)} must have the same first dimension, the batch")
    return inputs


def response(arrays: Sequence[NDArray[Any]], specs: Sequence[TensorSpec]) -> Response:
    """`arrays` in the order of `specs`. Raises ModelError if the type that the model returns is not the configured one."""
    for array, spec in zip(arrays, specs, strict=True):
        if array.dtype != spec.dtype:
            raise ModelError(f"the model gives {array.dtype} for {spec.name!r}, config.pbtxt says {spec.dtype}")
    tensors = [pb_utils.Tensor(spec.name, array) for array, spec in zip(arrays, specs, strict=True)]
    return Response(output_tensors=tensors)


def error_response(error: AnswerError) -> Response:
    code = pb_utils.TritonError.INVALID_ARG if isinstance(error, RequestError) else pb_utils.TritonError.INTERNAL
    return Response(error=pb_utils.TritonError(str(error), code))


def _array(request: Request, spec: TensorSpec) -> NDArray[Any]:
    tensor = pb_utils.get_input_tensor_by_name(request, spec.name)
    if tensor is None:
        raise RequestError(f"the input {spec.name!r} is missing")
    array = tensor.as_numpy()
    if array.dtype != spec.dtype:
        raise RequestError(f"the input {spec.name!r} is {array.dtype}, config.pbtxt says {spec.dtype}")
    return array


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(repr(spec.name) for spec in specs)
