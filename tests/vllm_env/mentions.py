"""Which functions of the backend mention a name: what there is to change when vLLM has lost it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

BACKEND = Path(__file__).parents[2] / "triton_backend" / "vllm_custom"


def users(path: str) -> str:
    """Of the last name in a dotted path, or of a parameter, `function(parameter)`: `file: function, function; file: …`."""
    dotted, _, parameter = path.rstrip(")").partition("(")
    owner = dotted.split(".")
    # A constructor is mentioned by the name of its class.
    wanted = {owner[-2] if owner[-1] == "__init__" else owner[-1]}
    found = _mentioning(wanted | ({parameter} if parameter else set())) or _mentioning(wanted)
    return "; ".join(f"{file}: {', '.join(sorted(found[file]))}" for file in sorted(found)) or "for its types alone"


def importers(module: str) -> str:
    """The files that import from a module."""
    lines = (f"from {module} import", f"import {module}\n")
    files = [
        _place(source) for source in sorted(BACKEND.rglob("*.py")) if any(line in source.read_text() for line in lines)
    ]
    return ", ".join(files) or "for its types alone"


def seen() -> tuple[int, int]:
    """How many files and functions `users` looks through: a walk that finds hardly any has lost its way."""
    found = _functions()
    return len({file for file, _, _ in found}), len(found)


def _mentioning(wanted: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file, function, names in _functions():
        if wanted <= names:
            found.setdefault(file, set()).add(function)
    return found


def _place(source: Path) -> str:
    return str(source.relative_to(BACKEND))


@cache
def _functions() -> list[tuple[str, str, frozenset[str]]]:
    """File, function and all names in it, of every file that imports from vLLM."""
    functions: list[tuple[str, str, frozenset[str]]] = []
    for source in sorted(BACKEND.rglob("*.py")):
        text = source.read_text()
        if "from vllm." in text or "import vllm" in text:
            functions += [(_place(source), *each) for each in _of(ast.parse(text), "")]
    return functions


def _of(scope: ast.AST, prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.ClassDef):
            yield from _of(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", frozenset(_names(node))


def _names(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value
