"""The vLLM that is installed has what the backend takes from it: whoever moves to another version reads here what broke.

What `engine_versions.py` knows to be missing in some versions is left out.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BACKEND = ROOT / "triton_backend" / "vllm_custom"
STUBS = ROOT / "typings" / "vllm"

MOVED = {
    "vllm.renderers.chat_utils",
    "vllm.entrypoints.chat_utils",
    # There for types alone:
    "vllm.entrypoints.generate.base.protocol",
    "vllm.entrypoints.serve.engine.protocol",
}
"""In one of the versions or the other."""
LACKING = {
    "vllm.config.SchedulerConfig.max_num_queued_reqs",
    "vllm.config.SchedulerConfig.max_num_queued_tokens",
    "vllm.v1.metrics.loggers.PrometheusStatLogger.record_admission_rejection",
    "vllm.parser.Parser.always_adjust_request",
    "vllm.parser.Parser.set_prompt_token_ids",
    "vllm.parser.ParserManager.get_parser(tokenizer)",
    "vllm.parser.ParserManager.get_parser(tool_strict_level)",
    "vllm.entrypoints.openai.chat_completion.protocol.ChatCompletionRequest.resolve_reasoning_ended",
    "vllm.entrypoints.openai.chat_completion.protocol.ChatCompletionRequest.logprob_token_ids",
    "vllm.entrypoints.openai.completion.protocol.CompletionRequest.logprob_token_ids",
}


def imported() -> Iterator[tuple[str, str]]:
    """Module and name of everything that is imported from vLLM when the backend runs."""
    for source in sorted(BACKEND.glob("*.py")):
        tree = ast.parse(source.read_text())
        for_types = {id(node) for test in ast.walk(tree) if _is_for_types(test) for node in ast.walk(test)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.level or id(node) in for_types:
                continue
            if node.module is not None and node.module.partition(".")[0] == "vllm":
                yield from ((node.module, alias.name) for alias in node.names)


def declared() -> Iterator[tuple[str, ast.stmt]]:
    """Module and definition of everything that the local stubs say about vLLM; the types are checked against them."""
    for stub in sorted(STUBS.rglob("*.pyi")):
        path = stub.relative_to(STUBS.parent).with_suffix("")
        module = ".".join(path.parent.parts if path.name == "__init__" else path.parts)
        yield from ((module, node) for node in ast.parse(stub.read_text()).body if hasattr(node, "name"))


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def members(node: Any) -> Iterator[tuple[str, str]]:
    """What a definition names: members of a class as (name, member), parameters of a function as (name, `(parameter)`)."""
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                yield node.name, inner.target.id
            elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, inner.name
                yield from ((f"{node.name}.{inner.name}", each) for each in _parameters(inner))
    else:
        yield from ((node.name, each) for each in _parameters(node))


def _parameters(node: Any) -> list[str]:
    named = [*node.args.args, *node.args.kwonlyargs]
    return [f"({each.arg})" for each in named if each.arg not in ("self", "cls")]


def has(owner: Any, name: str) -> bool:
    if name.startswith("("):
        parameters = inspect.signature(owner).parameters
        return name[1:-1] in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if not isinstance(owner, type):
        return hasattr(owner, name)
    fields = {key for cls in owner.__mro__ for key in inspect.get_annotations(cls)}
    return hasattr(owner, name) or name in fields or f"self.{name}" in _sources(owner)


def _sources(owner: type) -> str:
    # What __init__ sets is nowhere else to be seen.
    return "".join(inspect.getsource(cls) for cls in owner.__mro__ if cls.__module__.startswith("vllm"))


@pytest.mark.parametrize(("module", "name"), sorted(set(imported())))
def test_what_is_imported_is_there(module, name):
    """Every name, in the module that it is imported from."""
    if module in MOVED or f"{module}.{name}" in MOVED:
        pytest.skip("has moved between versions")
    assert hasattr(importlib.import_module(module), name) or importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize(
    ("module", "node"), [pytest.param(*each, id=f"{each[0]}.{each[1].name}") for each in declared()]
)
def test_what_the_stubs_declare_is_there(module, node):
    """Every class with its members, every function with its parameters."""
    if module in MOVED:
        pytest.skip("has moved between versions")
    real = importlib.import_module(module)
    missing: set[str] = set()
    for owner, name in members(node):
        path = f"{module}.{owner}"
        if path not in missing and not has(_get(real, owner), name):
            missing.add(path + (name if name.startswith("(") else f".{name}"))
    assert missing <= LACKING, missing - LACKING


def _get(module: Any, path: str) -> Any:
    value = module
    for part in path.split("."):
        value = inspect.getattr_static(value, part) if isinstance(value, type) else getattr(value, part)
    while isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return value.fget if isinstance(value, property) else value
