"""Runs the product's programs on a host that is made for one test."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRANGER = 65534
"""A user who owns nothing."""

LOOPBACK_UP = (
    "import fcntl, socket, struct;"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x41))"  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING
)


@dataclass(frozen=True)
class Said:
    """What a program has printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def is_a_sentence(self) -> bool:
        """Whether it is a refusal for a person: a problem and its fix, and no traceback."""
        return self.status == 1 and "Fix: " in self.err and "Traceback" not in self.err + self.out


@dataclass(frozen=True)
class Checkout:
    """A checkout in which commands run."""

    folder: Path

    def run(self, *command: str, before: Sequence[str] = (), **variables: str) -> Said:
        """Run a command of `triton-gateway`; `before` is a program that starts it, such as unshare."""
        return run([*before, sys.executable, "-m", "gateway.cli", *command], self.folder, variables)

    def give_to(self, user: int) -> None:
        """Change the owner of everything in it."""
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


def run(command: Sequence[str], folder: Path = ROOT, variables: Mapping[str, str] | None = None) -> Said:
    """Run a program to its end."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=50, check=False)
    return Said(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))


def as_stranger() -> list[str]:
    """Start a program as a user who may read everything, as the interpreter may be in root's home, and write nothing."""
    capability = "+dac_read_search"
    return [
        "setpriv",
        f"--reuid={STRANGER}",
        f"--regid={STRANGER}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    ]


def with_mounts(*commands: str) -> list[str]:
    """Start a program after these shell commands, in a mount namespace of its own."""
    return ["unshare", "--mount", "sh", "-ec", "\n".join([*commands, 'exec "$@"']), "sh"]


def with_network(*commands: str) -> list[str]:
    """Start a program in a network of its own, in which only the loopback exists, after these shell commands."""
    up = f"{shlex.quote(sys.executable)} -c {shlex.quote(LOOPBACK_UP)}"
    return ["unshare", "--net", "sh", "-ec", "\n".join([up, *commands, 'exec "$@"']), "sh"]
