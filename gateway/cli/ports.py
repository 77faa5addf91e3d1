"""Whether a port is free and, if not, which program uses it."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.errors import Problem

_LISTENING = "0A"


def check(host: str, port: int, setting: str) -> Problem | None:
    """A Problem if no program could listen there. `setting` is the setting that chooses another port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found:
            _bind(family, address)
    except OSError as error:
        holder = holder_of(port)
        by = f" by {holder}" if holder else ""
        what = (
            f"Port {port} is in use{by}." if error.errno == 98 else f"Cannot listen on {host}:{port}: {error.strerror}."
        )
        return Problem(what, f"end that program, or choose another port or address: make up {setting}=…")
    return None


def _bind(family: int, address: tuple[Any, ...]) -> None:
    """Bind a socket and close it. Raises OSError if that is not possible. `::` counts for IPv4 too, as in the gateway."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        probe.bind(address)


def shared(wanted: Mapping[str, int]) -> Problem | None:
    """A Problem if two settings name the same port. Without this check, the second would find its port in use."""
    settings: dict[int, str] = {}
    for setting, port in wanted.items():
        if port in settings:
            return Problem(
                f"{settings[port]} and {setting} are both {port}.", f"choose another port: make up {setting}=…"
            )
        settings[port] = setting
    return None


def holder_of(port: int) -> str | None:
    """The program that listens on a port, if this user may see it."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for entry in Path("/proc").glob("[0-9]*"):
        if inodes & _open_files(entry):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f"process {entry.name} ({command[:80]})"
    return None


def _listening(port: int) -> list[str]:
    rows: list[list[str]] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows += [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _open_files(process: Path) -> set[str]:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return set()
    return {target for target in map(_target, links) if target}


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:  # it was closed after it was listed
        return None
