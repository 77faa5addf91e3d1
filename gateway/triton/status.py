"""Triton's errors to ours, in one place. What Triton says goes to the log; the client reads our words.

Unary calls fail with a gRPC status. Within `ModelStreamInfer` an error is a line of text and nothing else, so those of the
server itself are told apart by their wording (ours travel as typed `error` records, see `records.py`).
"""

from __future__ import annotations

from typing import Final

import grpc
import grpc.aio

from gateway.errors import GatewayError, InternalError, Overloaded, Unavailable, UpstreamTimeout

RETRY_AFTER_S: Final = 2.0
"""How long a client should wait when Triton is away: a restart takes longer, but a second replica answers at once."""


def unavailable() -> Unavailable:
    """The one text for everything that makes a model unreachable."""
    return Unavailable("The model is temporarily unavailable. Please try again shortly.", retry_after_s=RETRY_AFTER_S)


def overloaded() -> Overloaded:
    """Triton's own queue is full."""
    return Overloaded("The model is overloaded with requests. Please try again shortly.", retry_after_s=1.0)


def not_read() -> Overloaded:
    """More of an answer has gathered for its reader than is kept."""
    return Overloaded("The answer was not read fast enough and has been given up.")


def timed_out() -> UpstreamTimeout:
    """Triton or the model fell silent."""
    return UpstreamTimeout("The model did not answer in time.")


_BY_CODE: Final = {
    grpc.StatusCode.UNAVAILABLE: unavailable,
    grpc.StatusCode.CANCELLED: unavailable,
    grpc.StatusCode.ABORTED: unavailable,
    # The catalog named the model; that Triton does not know it any more means it is being unloaded or has failed.
    grpc.StatusCode.NOT_FOUND: unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: timed_out,
    grpc.StatusCode.RESOURCE_EXHAUSTED: overloaded,
    # We built the request: a complaint about it is our fault, never the client's.
    grpc.StatusCode.OK: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.INVALID_ARGUMENT: InternalError,
    grpc.StatusCode.ALREADY_EXISTS: InternalError,
    grpc.StatusCode.PERMISSION_DENIED: InternalError,
    grpc.StatusCode.UNAUTHENTICATED: InternalError,
    grpc.StatusCode.FAILED_PRECONDITION: InternalError,
    grpc.StatusCode.OUT_OF_RANGE: InternalError,
    grpc.StatusCode.UNIMPLEMENTED: InternalError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.DATA_LOSS: InternalError,
}

# Wording of Triton 2.51's core, python backend and dynamic batcher.
_OVERLOADED_WORDS: Final = ("exceeds maximum queue size", "request timeout expired")
_UNAVAILABLE_WORDS: Final = (
    "is not ready",
    "unknown model",
    "not found",
    "stub process",
    "is unavailable",
    "shutting down",
)


def from_text(message: str) -> GatewayError:
    """The error that a line of Triton's text stands for."""
    lower = message.lower()
    if any(words in lower for words in _OVERLOADED_WORDS):
        return overloaded()
    if any(words in lower for words in _UNAVAILABLE_WORDS):
        return unavailable()
    return InternalError()


def from_rpc_error(error: grpc.aio.AioRpcError) -> GatewayError:
    """The error that a failed call stands for; by its text where the code says only INTERNAL."""
    code = error.code()
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        return from_text(error.details() or "")
    return _BY_CODE[code]()
