"""Opens the sockets on which the gateway listens, in the same way for one worker and for several."""

from __future__ import annotations

import socket
from typing import Any, Final

_ALL_ADDRESSES: Final = "::"


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to each address of `host`. `::` means all addresses of IPv6 and of IPv4; an empty host means the same.

    Raises OSError, whose text names the address and what to do.
    """
    opened: list[socket.socket] = []
    try:
        addresses = _addresses(host, port)
        for family, address in addresses:
            opened.append(_bound(family, address, also_ipv4=address[0] == _ALL_ADDRESSES and len(addresses) == 1))
    except OSError as error:
        for each in opened:
            each.close()
        raise OSError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another address or port (HOST, PORT)"
        ) from error
    return opened


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), tuple(address)) for family, _, _, _, address in found))


def _bound(family: int, address: tuple[Any, ...], *, also_ipv4: bool) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not also_ipv4)
        opened.bind(address)
        opened.set_inheritable(True)
    except OSError:
        opened.close()
        raise
    return opened
