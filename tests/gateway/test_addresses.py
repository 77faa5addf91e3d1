"""Addresses of Tritons."""

from __future__ import annotations

import pytest

from gateway.addresses import triton_target


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("localhost:8001", "localhost:8001"),
        ("10.0.0.5:8001", "10.0.0.5:8001"),
        ("[::1]:8001", "[::1]:8001"),
        ("grpc://triton:8001", "triton:8001"),
        ("grpc://triton:8001/", "triton:8001"),
        ("unix:/run/triton.sock", "unix:/run/triton.sock"),
        ("dns:///triton.svc:8001", "dns:///triton.svc:8001"),
    ],
)
def test_address_becomes_a_target(address: str, target: str) -> None:
    """Alone, with a scheme, or as gRPC itself writes it."""
    assert triton_target(address) == target


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("http://localhost:8000", "no gRPC address"),
        ("https://triton:8001", "no gRPC address"),
        ("localhost", "write host:port"),
        ("localhost:", "no port"),
        (":8001", "write host:port"),
        ("localhost:http", "no port"),
        ("localhost:0", "no port"),
        ("localhost:65536", "no port"),
        ("localhost:²", "no port"),
        ("::1:8001", r"\[address\]:port"),
        ("localhost:8001/v2", "write host:port"),
    ],
)
def test_anything_else_is_refused(address: str, advice: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=advice):
        triton_target(address)
