"""The protobuf classes of Triton's gRPC protocol, taken from tritonclient.

They are generated at import time and have no types, so this is the one place that names them; the rest of the folder sees
`Any`. The protocol: https://github.com/kserve/kserve/blob/master/docs/predict-api/v2/grpc_predict_v2.proto, and Triton's
extensions to it in https://github.com/triton-inference-server/common (grpc_service.proto, model_config.proto).
"""

from __future__ import annotations

import struct
from typing import Any, Final

from tritonclient.grpc import service_pb2 as _service_pb2  # pyright: ignore[reportMissingTypeStubs]

pb: Final[Any] = _service_pb2

SERVICE: Final = "/inference.GRPCInferenceService/"

_LENGTH = struct.Struct("<I")


def encode_bytes(value: bytes) -> bytes:
    """One element of a BYTES tensor: its length in four little-endian bytes, then itself."""
    return _LENGTH.pack(len(value)) + value


def decode_bytes(raw: bytes) -> bytes:
    """The one element of a BYTES [1] tensor. Raises ValueError when the length does not fit."""
    if len(raw) < _LENGTH.size or _LENGTH.unpack_from(raw)[0] != len(raw) - _LENGTH.size:
        raise ValueError("a BYTES tensor of one element has another length than it says")
    return raw[_LENGTH.size :]
