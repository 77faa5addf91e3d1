"""The backend's environment, on a machine whose Python has torch already: too large to bring along.

Wheels that were brought are installed. Whatever else vLLM needs is linked from the Python that runs this, with what it needs
in turn. Not all of its site-packages: that NumPy is too new for Triton's stub, and what was built for it must not be found.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = ("vllm", "torch", "torchvision", "accelerate", "uvloop", "ninja", "numba", "wrapt")
"""What vLLM imports and its wheel does not always name."""
BUILT_FOR_ANOTHER_NUMPY: frozenset[str] = frozenset(
    ("scipy", "scikit-learn", "pandas", "opencv-python-headless", "torchaudio")
)
"""transformers looks for these, and imports them when it finds them."""


def make(environment: Path, wheels: Path) -> list[str]:
    """Build it; the names of what neither the wheels nor this Python have, which may or may not be missed."""
    venv.EnvBuilder(symlinks=True, clear=True).create(environment)
    site = environment / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    _install(environment, sorted(wheels.glob("*.whl")))
    here = Path(sysconfig.get_path("purelib"))
    installed, available = _distributions(site), _distributions(here)
    missing: list[str] = []
    for name in _needed(installed, available, missing):
        if name not in installed:
            _link(available[name], here, site)
    return missing


def _install(environment: Path, wheels: list[Path]) -> None:
    options = ["install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--root-user-action", "ignore"]
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python"]
    subprocess.run([*pip, *options, *wheels], check=True)


def _distributions(folder: Path) -> dict[str, importlib.metadata.Distribution]:
    found = importlib.metadata.distributions(path=[str(folder)])
    return {canonicalize_name(each.metadata["Name"]): each for each in found}


def _needed(
    installed: dict[str, importlib.metadata.Distribution],
    available: dict[str, importlib.metadata.Distribution],
    missing: list[str],
) -> Iterator[str]:
    """The roots and what they need, each once."""
    todo: list[str] = [*ROOTS]
    seen = set(BUILT_FOR_ANOTHER_NUMPY)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        distribution = installed.get(name) or available.get(name)
        if distribution is None:
            missing.append(name)
            continue
        yield name
        requirements = [Requirement(line) for line in distribution.requires or ()]
        todo += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]


def _link(distribution: importlib.metadata.Distribution, here: Path, site: Path) -> None:
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in tops:
        if (here / top).exists() and not (site / top).exists():
            (site / top).symlink_to(here / top)
