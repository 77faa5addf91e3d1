"""On which addresses the gateway listens."""

from __future__ import annotations

import socket

import pytest

from gateway.server.listening import listen


def reached(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("::", {"127.0.0.1", "::1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("127.0.0.1", {"127.0.0.1"}),
        ("::1", {"::1"}),
    ],
)
def test_host_stands_for_its_addresses(host: str, reached_at: set[str]) -> None:
    """`::` for those of both families."""
    [listening] = listen(host, 0)
    with listening:
        listening.listen()
        port = listening.getsockname()[1]
        assert {each for each in ("127.0.0.1", "::1") if reached(each, port)} == reached_at


def test_empty_host_stands_for_all() -> None:
    """A socket for each family."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    opened = listen("", port)
    assert {each.family for each in opened} == {socket.AF_INET, socket.AF_INET6}
    for each in opened:
        each.close()


def test_port_in_use_is_a_sentence() -> None:
    """With the settings to change; of `::` both families count."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        for host in ("127.0.0.1", "::"):
            with pytest.raises(OSError, match=rf"cannot listen on {host}, port .*: Address already in use; choose"):
                listen(host, other.getsockname()[1])


def test_unknown_host_is_a_sentence() -> None:
    """The resolver's words, with the setting to change."""
    with pytest.raises(OSError, match=r"cannot listen on host\.invalid, .*HOST"):
        listen("host.invalid", 0)
