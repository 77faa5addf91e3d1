"""Names of tensors and model parameters, and the requests made of them. `docs/contract.md` has the table."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway import exact_json
from gateway.triton.protocol import encode_bytes, pb

CONTRACT_VERSION: Final = 1

REQUEST: Final = "request"
TOKEN_IDS: Final = "token_ids"
MEDIA: Final = "media"
RECORDS: Final = "records"
PART: Final = "part"
VECTORS: Final = "vectors"

INPUT_IDS: Final = "INPUT__0"
ATTENTION_MASK: Final = "INPUT__1"
ROWS: Final = "OUTPUT__0"

FINAL_RESPONSE: Final = "triton_final_response"
"""Triton's own parameter on the last response of a decoupled request."""

TASK_PARAMETER: Final = "openai_task"
MAX_TOKENS_PARAMETER: Final = "max_tokens"


def envelope_request(
    model: str, envelope: Mapping[str, Any], token_ids: array[int] | None = None, *, media: Sequence[bytes] = ()
) -> Any:
    """A ModelInferRequest that carries an envelope of the contract, and the prompt (int32) or the images where there are
    any."""
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name=REQUEST, datatype="BYTES", shape=[1])
    request.raw_input_contents.append(encode_bytes(exact_json.dumps({"v": CONTRACT_VERSION, **envelope})))
    if token_ids is not None:
        request.inputs.add(name=TOKEN_IDS, datatype="INT32", shape=[len(token_ids)])
        request.raw_input_contents.append(token_ids.tobytes())
    if media:
        request.inputs.add(name=MEDIA, datatype="BYTES", shape=[len(media)])
        request.raw_input_contents.append(b"".join(encode_bytes(file) for file in media))
    return request


def rows_request(model: str, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> Any:
    """A ModelInferRequest for an embedding or moderation model: INT64 [n, length] ids and mask."""
    request = pb.ModelInferRequest(model_name=model)
    for name, tensor in ((INPUT_IDS, ids), (ATTENTION_MASK, mask)):
        request.inputs.add(name=name, datatype="INT64", shape=tensor.shape)
        request.raw_input_contents.append(tensor.tobytes())
    request.outputs.add(name=ROWS)
    return request


def rows_response(response: Any) -> npt.NDArray[np.float32]:
    """FP32 [n, width] out of a ModelInferResponse. Raises ValueError when it holds something else."""
    if len(response.outputs) != 1 or len(response.raw_output_contents) != 1:
        raise ValueError("expected exactly one output tensor")
    output = response.outputs[0]
    if output.name != ROWS or output.datatype != "FP32" or len(output.shape) != 2:
        raise ValueError(f"expected {ROWS} FP32 [n, width], got {output.name} {output.datatype} {list(output.shape)}")
    return np.frombuffer(response.raw_output_contents[0], dtype="<f4").reshape(tuple(output.shape))


def output_bytes(response: Any, name: str) -> bytes | None:
    """The raw content of an output tensor of a ModelInferResponse; None when it is not there."""
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        if output.name == name:
            return raw
    return None
