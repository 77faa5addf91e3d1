"""Recognises by pip's output why pip failed, and says what to do."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from gateway.cli import choose_python
from gateway.cli.setup.constraints import allows

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
_UNBOUND: Final = "PIP_CONSTRAINT=/dev/null make up"
"""An empty variable would not override pip's configuration."""

_REQUESTED: Final = re.compile(r"(?:The user requested|No matching distribution found for) ([\w.-]+)==(\S+)")


def torch_index() -> str:
    """Where else to ask for torch; empty if nowhere."""
    return os.environ.get("TORCH_CPU_INDEX", TORCH_CPU_INDEX)


def lacks_torch(output: Iterable[str]) -> bool:
    """Whether pip has found no torch, for another reason than a constraint that forbids it."""
    lines = list(output)
    return not _forbidding(lines) and any(
        "torch" in line and any(mark in line for mark in _NOT_FOUND) for line in lines
    )


def is_passing(output: Iterable[str]) -> bool:
    """Whether the same call may succeed a little later."""
    lines = list(output)
    return _has(lines, _NETWORK) and not (_has(lines, _CERTIFICATES) or lacks_torch(lines) or _forbidding(lines))


def cause(output: Iterable[str]) -> str | None:
    """What is wrong, where pip's own words mislead: it calls a package that no index has a conflict with a constraint."""
    lines = list(output)
    if not (requested := _requested(lines)) or _has(lines, _CERTIFICATES):
        return None
    name, version = requested
    if forbidding := _forbidding(lines):
        return f"the constraint {forbidding} forbids {name}=={version}"
    if _doubtful(lines):
        return None
    return f"it finds no {name}=={version} for Python {sys.version_info.major}.{sys.version_info.minor}"


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
    if _forbidding(lines):
        return f"ignore pip's constraints: {_UNBOUND}"
    if lacks_torch(lines):
        return _advice_for_torch(lines)
    if doubtful := _doubtful(lines):
        return f"if the constraint {doubtful} forbids what the lock file names, ignore pip's constraints: {_UNBOUND}"
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
        first = f"{index} can't be reached from here: check the network and the proxy (HTTPS_PROXY),"
    else:
        first = f"check that {index} has torch's +cpu wheels for this Python,"
    told = [first, "or name an index that has the wheel (TORCH_CPU_INDEX), or a folder with it (PIP_FIND_LINKS)."]
    if other := choose_python.find_supported(but=sys.version_info.minor):
        told.append(f"Or try another Python, whose wheel pip may find: make up PYTHON={other}")
    if doubtful := _doubtful(lines):
        told.append(f"If the constraint {doubtful} forbids that version, ignore pip's constraints: {_UNBOUND}")
    return "\n".join(told)


def _has(lines: Sequence[str], marks: Sequence[str]) -> bool:
    return any(mark in line for line in lines for mark in marks)


def _requested(lines: Sequence[str]) -> tuple[str, str] | None:
    """Name and version of the package that pip could not find or take."""
    return next(((found[1], found[2]) for line in lines if (found := _REQUESTED.search(line))), None)


def _forbidding(lines: Sequence[str]) -> str | None:
    return _first_constraint(lines, allowed=False)


def _doubtful(lines: Sequence[str]) -> str | None:
    return _first_constraint(lines, allowed=None)


def _first_constraint(lines: Sequence[str], *, allowed: bool | None) -> str | None:
    """The first of those that pip has named that surely forbids the package, or that may."""
    if not (requested := _requested(lines)):
        return None
    named = (found[1] for line in lines if (found := _CONSTRAINT.search(line)))
    return next((each for each in named if allows(each, *requested) is allowed), None)


def _authorities() -> str:
    named = [f"{name} is {os.environ[name]}" for name in ("SSL_CERT_FILE", "PIP_CERT") if os.environ.get(name)]
    return " and ".join(named) or "neither it nor PIP_CERT is set"
