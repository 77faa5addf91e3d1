"""The names of the tensors, and the only code that touches them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from ..errors import BadRequest

REQUEST = "request"
TOKEN_IDS = "token_ids"
MEDIA = "media"
RECORDS = "records"
PART = "part"
VECTORS = "vectors"

# As config.pbtxt spells them. `request` is optional because an official request (official/tensors.py) has none; `part`
# needs no mark: an output may always be left out of a response.
INPUTS: tuple[dict[str, Any], ...] = (
    {"name": REQUEST, "data_type": "TYPE_STRING", "dims": [1], "optional": True},
    {"name": TOKEN_IDS, "data_type": "TYPE_INT32", "dims": [-1], "optional": True},
    {"name": MEDIA, "data_type": "TYPE_STRING", "dims": [-1], "optional": True},
)
OUTPUTS: tuple[dict[str, Any], ...] = (
    {"name": RECORDS, "data_type": "TYPE_STRING", "dims": [1]},
    {"name": PART, "data_type": "TYPE_STRING", "dims": [1]},
    {"name": VECTORS, "data_type": "TYPE_FP32", "dims": [-1, -1]},
)


if TYPE_CHECKING:
    # The process that completes the configuration has not got this class.
    TritonRequest = pb_utils.InferenceRequest


class Sender(Protocol):
    """Triton's response sender of one request. After the final response it must not be touched again."""

    def send(self, response: pb_utils.InferenceResponse | None = ..., flags: int = ...) -> None: ...
    def is_cancelled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One request's inputs, out of their tensors."""

    envelope: bytes
    token_ids: NDArray[np.int32] | None
    media: Sequence[bytes] = ()
    # Triton's own deadline; 0 without one.
    timeout_us: int = 0


def read(request: TritonRequest) -> Message:
    """A request's inputs. Raises BadRequest without an envelope, or for tensors of a shape that is not allowed."""
    tensors = {tensor.name(): tensor for tensor in request.inputs()}
    if REQUEST not in tensors:
        raise BadRequest(f"the input tensor {REQUEST!r} is missing", param=REQUEST)
    envelope = tensors[REQUEST].as_numpy().reshape(-1)
    if len(envelope) != 1:
        raise BadRequest(f"the input tensor {REQUEST!r} must hold one element, not {len(envelope)}", param=REQUEST)
    token_ids = tensors[TOKEN_IDS].as_numpy() if TOKEN_IDS in tensors else None
    media = tuple(bytes(item) for item in tensors[MEDIA].as_numpy().reshape(-1)) if MEDIA in tensors else ()
    return Message(bytes(envelope[0]), token_ids, media, request.timeout())


def send(sender: Sender, records: bytes, part: bytes | memoryview | NDArray[np.float32] | None, *, final: bool) -> None:
    """Send one response; blocks until Triton has taken it. An array goes as `vectors`, bytes as `part`.

    A final response without `records` has the final flag alone, and clients receive no message for it.
    """
    if final and not records:
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return
    outputs = [_bytes_tensor(RECORDS, records)]
    if isinstance(part, np.ndarray):
        outputs.append(pb_utils.Tensor(VECTORS, part))
    elif part is not None:
        outputs.append(_bytes_tensor(PART, bytes(part)))
    flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if final else 0
    sender.send(pb_utils.InferenceResponse(output_tensors=outputs), flags=flags)


def _bytes_tensor(name: str, value: bytes) -> pb_utils.Tensor:
    # Filled by index: given a list, numpy would look into the bytes for their length.
    array = np.empty(1, dtype=np.object_)
    array[0] = value
    return pb_utils.Tensor(name, array)
