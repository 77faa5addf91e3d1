"""Addresses of Tritons as an operator writes them, to gRPC's targets."""

from __future__ import annotations

from typing import Final

_SCHEME: Final = "grpc://"
_TARGETS: Final = ("unix:", "dns:", "ipv4:", "ipv6:", "xds:")
"""Schemes of gRPC's own (https://github.com/grpc/grpc/blob/master/doc/naming.md), which are handed on as they are."""


def triton_target(address: str) -> str:
    """The gRPC target of `host:port`, `[::1]:port`, `grpc://host:port` or one of gRPC's own targets.

    Raises ValueError, with what to write instead.
    """
    if address.startswith(_TARGETS):
        return address
    target = address.removeprefix(_SCHEME).removesuffix("/")
    if "://" in target:
        raise ValueError(
            f"{address!r} is no gRPC address: write host:port, with the port of Triton's gRPC (8001 by default)"
        )
    host, colon, port = target.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")) or "/" in target or target != target.strip():
        raise ValueError(f"{address!r} is no address: write host:port, or [address]:port for IPv6")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise ValueError(f"{address!r} has no port from 1 to 65535 behind its last colon")
    return target
