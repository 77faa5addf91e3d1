"""gRPC's statuses and Triton's texts to our errors."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from gateway.errors import GatewayError, InternalError, Overloaded, Unavailable, UpstreamTimeout
from gateway.triton import status
from gateway.web.openai_dialect import envelope


def rpc_error(code: grpc.StatusCode, details: str = "internal detail") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_grpc_status_is_translated(code: grpc.StatusCode) -> None:
    """No status of gRPC's is unmapped, and none of Triton's words get through."""
    error = status.from_rpc_error(rpc_error(code))
    assert isinstance(error, GatewayError)
    assert error.status >= 429
    assert "internal detail" not in str(envelope(error))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.NOT_FOUND, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, UpstreamTimeout),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.INVALID_ARGUMENT, InternalError),
    ],
)
def test_statuses_mean_what_they_say(code: grpc.StatusCode, expected: type[GatewayError]) -> None:
    """The ones that a client can act on."""
    assert type(status.from_rpc_error(rpc_error(code))) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Exceeds maximum queue size", Overloaded),
        ("Request timeout expired", Overloaded),
        ("Request for unknown model: 'x' is not found", Unavailable),
        ("'x' version 1 is not at ready state: model is not ready", Unavailable),
        ("Stub process 'x_0_0' is not healthy.", Unavailable),
        ("Server is shutting down", Unavailable),
        ("expected 2 inputs but got 1", InternalError),
        ("", InternalError),
    ],
)
def test_texts_of_triton_are_told_apart(text: str, expected: type[GatewayError]) -> None:
    """By wording, within a stream and where the status says only INTERNAL or UNKNOWN."""
    assert type(status.from_text(text)) is expected
    assert type(status.from_rpc_error(rpc_error(grpc.StatusCode.INTERNAL, text))) is expected
    assert type(status.from_rpc_error(rpc_error(grpc.StatusCode.UNKNOWN, text))) is expected


def test_what_may_pass_says_when_to_return() -> None:
    """Clients are told how long to wait for what can get better."""
    assert (status.unavailable().retry_after_s or 0) > 0
    assert (status.overloaded().retry_after_s or 0) > 0
