"""Recognises by pip's output why pip failed, and says what to do."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

TORCH_CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""The index of torch's CPU builds if the configured index lacks them; the variable TORCH_CPU_INDEX overrides it."""

_NOT_FOUND: Final = ("No matching distribution found", "Could not find a version", "Cannot install torch==")
"""pip reports a conflict instead of a missing version if a constraint names the package, even one that allows it."""

_NETWORK: Final = (
    "Connection",
    "Timeout",
    "timed out",
    "IncompleteRead",
    "Temporary failure in name resolution",
    "Max retries exceeded",
    "502 Server Error",
    "503 Server Error",
)
_CERTIFICATES: Final = ("certificate verify failed", "CERTIFICATE_VERIFY_FAILED", "suitable TLS CA certificate bundle")
_IDLE: Final = ("WARNING: Retrying", "To fix this you could try", "1. loosen the range", "2. remove package versions")
_CONSTRAINT: Final = re.compile(r"\(constraint\) (\S.*)")


def torch_index() -> str:
    """Where else to ask for torch; empty if nowhere."""
    return os.environ.get("TORCH_CPU_INDEX", TORCH_CPU_INDEX)


def lacks_torch(output: Iterable[str]) -> bool:
    """Whether pip has found no torch that it may install."""
    return any("torch" in line and any(mark in line for mark in _NOT_FOUND) for line in output)


def is_passing(output: Iterable[str]) -> bool:
    """Whether the same call may succeed a little later."""
    lines = list(output)
    return _has(lines, _NETWORK) and not _has(lines, _CERTIFICATES) and not lacks_torch(lines)


def advice(output: Iterable[str], log: Path) -> str:
    """What to do about the failure."""
    lines = list(output)
    if _has(lines, ["DO NOT MATCH THE HASHES"]):
        return (
            "a package differs from what the lock file names: somebody changed it on the way, or the index serves another\n"
            "build. Clear pip's cache (pip cache purge) and try again; if it stays, do not install it."
        )
    if _has(lines, _CERTIFICATES):
        return (
            "name the authorities that certify the index or a proxy on the way: SSL_CERT_FILE=/path/to/ca.pem make up\n"
            f"({_authorities()})."
        )
    if lacks_torch(lines):
        return _advice_for_torch(lines)
    if _constraints(lines):
        return "pip's constraints do not allow what the lock file names." + _or_unbind(lines)
    if _has(lines, ["No space left on device"]):
        return "free some disk space (TMPDIR says where pip unpacks) and run it again; it goes on where it stopped."
    if _has(lines, _NETWORK):
        return "check the network, the proxy (HTTPS_PROXY) and pip's index (pip config list), then run it again."
    return f"read {log}, then run it again; steps that are done are skipped."


def telling(output: Iterable[str]) -> list[str]:
    """The lines that say why: without blank ones, repeated tries, and pip's own hints, which do not fit a lock file."""
    return [line for line in output if line.strip() and not line.startswith(_IDLE)]


def _advice_for_torch(lines: Sequence[str]) -> str:
    index = torch_index() or "the configured index"
    if _has(lines, _NETWORK):
        first = f"{index} can't be reached from here: check the network and the proxy (HTTPS_PROXY),\n"
    else:
        first = f"check that {index} has torch's +cpu wheels for this Python,\n"
    second = "or set TORCH_CPU_INDEX to an index that has them, for example a mirror of PyTorch's own."
    return first + second + _or_unbind(lines)


def _has(lines: Sequence[str], marks: Sequence[str]) -> bool:
    return any(mark in line for line in lines for mark in marks)


def _constraints(lines: Sequence[str]) -> list[str]:
    return [found[1] for line in lines if (found := _CONSTRAINT.search(line))]


def _or_unbind(lines: Sequence[str]) -> str:
    """How to go without the constraints that pip has named. An empty variable would not override pip's configuration."""
    if not (named := _constraints(lines)):
        return ""
    return f"\nIf the constraint {named[0]} forbids that version, ignore pip's constraints: PIP_CONSTRAINT=/dev/null make up"


def _authorities() -> str:
    named = [f"{name} is {os.environ[name]}" for name in ("SSL_CERT_FILE", "PIP_CERT") if os.environ.get(name)]
    return " and ".join(named) or "neither it nor PIP_CERT is set"
