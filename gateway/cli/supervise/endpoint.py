"""Where the supervised Triton listens. Whoever may load a model may run code as Triton does, so that is locked.

On Triton 2.51 one `RepositoryModelLoad` with a `file:` parameter writes a model.py of the caller's and runs it.
"""

import json
import secrets
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gateway.cli.errors import Problem

LOOPBACK = "127.0.0.1"
_LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket: unix(7)."""
_LOCKED = "model-repository,shared-memory,logging,trace"


@dataclass(frozen=True)
class Endpoint:
    """`options` of tritonserver, the gRPC `target` for its clients, and the `secret` that they need for its repository."""

    options: Mapping[str, str] = field(repr=False)
    target: str
    secret: str | None = field(default=None, repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """How a gateway reaches it, as environment variables."""
        secret = {"TRITON_GATEWAY_TRITON_REPOSITORY_SECRET": self.secret} if self.secret else {}
        return {"TRITON_GATEWAY_TRITON_URLS": self.target} | secret


def on_port(port: int, host: str = LOOPBACK, secret: str | None = None) -> Endpoint:
    """A port, for other clients of this machine or, in a container, of its network. They may use models; what manages them
    wants a secret, by default a new one, which local users can read from Triton's command line in /proc."""
    secret = secret or secrets.token_hex(16)
    options = {
        "grpc-address": host,
        "grpc-port": str(port),
        "grpc-restricted-protocol": f"{_LOCKED}:gateway-secret={secret}",
    }
    return Endpoint(options, f"{reachable(host)}:{port}", secret)


def shared_secret(path: Path) -> str:
    """The secret in this file; a new one is written where there is none. For a gateway in another container that runs as the
    same user. Raises OSError."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        secret = secrets.token_hex(16)
        aside = path.with_name(f".{path.name}.partial")
        aside.unlink(missing_ok=True)
        aside.touch(mode=0o600)
        aside.write_text(secret + "\n")
        aside.replace(path)
        return secret


def reachable(host: str) -> str:
    """An address at which this machine reaches what listens at `host`, even if that is all addresses.

    What listens on `::` listens on IPv4's addresses too, and a machine may have IPv4 alone.
    """
    return LOOPBACK if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound to


@contextmanager
def on_socket() -> Generator[Endpoint]:
    """A Unix socket in a folder that only this user can enter. The folder goes with the block."""
    folder = _private_folder()
    try:
        path = folder / "grpc.sock"
        # Triton appends the port, also to the path of a socket.
        yield Endpoint({"grpc-address": f"unix:{path}", "grpc-port": "0"}, f"unix:{path}:0")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _private_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes a folder of mode 0700 there
        try:
            folder = Path(tempfile.mkdtemp(prefix="triton-gateway-", dir=parent))
        except OSError:
            continue
        if len(f"{folder}/grpc.sock:0".encode()) <= _LONGEST_SOCKET:
            return folder
        folder.rmdir()
    raise Problem(
        "No folder for Triton's socket can be made in the temporary folder, /tmp or /var/tmp.",
        "make one of them writable, or let Triton listen on a port of loopback: TRITON_GRPC_PORT=8001.",
    )


@dataclass(frozen=True)
class Running:
    """What the commands of this user have to know of a Triton that `up` runs: the settings of a gateway before it, and its
    model repositories."""

    settings: dict[str, str]
    repositories: tuple[str, ...]


@contextmanager
def published(path: Path, running: Running) -> Generator[None]:
    """While the block runs, the file describes the Triton of this checkout that was started last."""
    text = json.dumps(asdict(running))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    aside.write_text(text)
    aside.replace(path)
    try:
        yield
    finally:
        if path.exists() and path.read_text() == text:
            path.unlink()


def read_published(path: Path) -> Running | None:
    """What the file says; None where no Triton of this checkout runs, or another user's."""
    try:
        content = json.loads(path.read_text())
    except OSError:
        return None
    return Running(content["settings"], tuple(content["repositories"]))
