"""The names and types of the official backend's tensors, and the only code that touches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from ..contract.tensors import REQUEST, Sender

if TYPE_CHECKING:
    from ..contract.tensors import TritonRequest

TEXT_INPUT = "text_input"
IMAGE = "image"
STREAM = "stream"
SAMPLING_PARAMETERS = "sampling_parameters"
EXCLUDE_INPUT = "exclude_input_in_output"
RETURN_FINISH_REASON = "return_finish_reason"
RETURN_CUMULATIVE_LOGPROB = "return_cumulative_logprob"
RETURN_LOGPROBS = "return_logprobs"
RETURN_NUM_INPUT_TOKENS = "return_num_input_tokens"
RETURN_NUM_OUTPUT_TOKENS = "return_num_output_tokens"
EMBEDDING_REQUEST = "embedding_request"

TEXT_OUTPUT = "text_output"
FINISH_REASON = "finish_reason"
CUMULATIVE_LOGPROB = "cumulative_logprob"
LOGPROBS = "logprobs"
NUM_INPUT_TOKENS = "num_input_tokens"
NUM_OUTPUT_TOKENS = "num_output_tokens"


def _optional(name: str, data_type: str, size: int = 1) -> dict[str, Any]:
    return {"name": name, "data_type": data_type, "dims": [size], "optional": True}


# All optional, because a native request has none of them; what an official one has to have is checked in request.py.
INPUTS: tuple[dict[str, Any], ...] = (
    _optional(TEXT_INPUT, "TYPE_STRING"),
    _optional(IMAGE, "TYPE_STRING", -1),
    _optional(STREAM, "TYPE_BOOL"),
    _optional(SAMPLING_PARAMETERS, "TYPE_STRING"),
    _optional(EXCLUDE_INPUT, "TYPE_BOOL"),
    _optional(RETURN_FINISH_REASON, "TYPE_BOOL"),
    _optional(RETURN_CUMULATIVE_LOGPROB, "TYPE_BOOL"),
    _optional(RETURN_LOGPROBS, "TYPE_BOOL"),
    _optional(RETURN_NUM_INPUT_TOKENS, "TYPE_BOOL"),
    _optional(RETURN_NUM_OUTPUT_TOKENS, "TYPE_BOOL"),
    _optional(EMBEDDING_REQUEST, "TYPE_STRING"),
)
OUTPUTS: tuple[dict[str, Any], ...] = (
    {"name": TEXT_OUTPUT, "data_type": "TYPE_STRING", "dims": [-1]},
    {"name": FINISH_REASON, "data_type": "TYPE_STRING", "dims": [-1]},
    {"name": CUMULATIVE_LOGPROB, "data_type": "TYPE_FP32", "dims": [-1]},
    {"name": LOGPROBS, "data_type": "TYPE_STRING", "dims": [-1]},
    {"name": NUM_INPUT_TOKENS, "data_type": "TYPE_UINT32", "dims": [1]},
    {"name": NUM_OUTPUT_TOKENS, "data_type": "TYPE_UINT32", "dims": [-1]},
)
_DTYPES: Mapping[str, type[np.generic]] = {"TYPE_FP32": np.float32, "TYPE_UINT32": np.uint32}
_DTYPE = {output["name"]: _DTYPES.get(output["data_type"], np.object_) for output in OUTPUTS}


def is_official(request: TritonRequest) -> bool:
    """Whether a request is one of NVIDIA's: it has no tensor `request`, which every native one has."""
    return all(tensor.name() != REQUEST for tensor in request.inputs())


def read(request: TritonRequest) -> dict[str, NDArray[Any]]:
    """The inputs by name, each as one row."""
    return {tensor.name(): tensor.as_numpy().reshape(-1) for tensor in request.inputs()}


def respond(sender: Sender, outputs: Mapping[str, list[Any]], *, final: bool) -> None:
    """Send one response with these tensors; blocks until Triton has taken it."""
    tensors = [pb_utils.Tensor(name, _array(name, values)) for name, values in outputs.items()]
    sender.send(pb_utils.InferenceResponse(output_tensors=tensors), flags=_flags(final=final))


def refuse(sender: Sender, message: str, status: str) -> None:
    """Send an error as the final response. `status` names one of Triton's codes."""
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, status))
    sender.send(pb_utils.InferenceResponse(error=error), flags=_flags(final=True))


def _array(name: str, values: list[Any]) -> NDArray[Any]:
    dtype = _DTYPE[name]
    if dtype is not np.object_:
        return np.array(values, dtype=dtype)
    # Filled by index: given a list, numpy would look into the bytes for their length.
    array = np.empty(len(values), dtype=np.object_)
    for index, value in enumerate(values):
        array[index] = value
    return array


def _flags(*, final: bool) -> int:
    return pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if final else 0
