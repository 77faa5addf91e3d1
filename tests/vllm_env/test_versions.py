"""The vLLM that is installed has what the backend takes from it: whoever moves to another version reads here what broke.

Each failure names what is missing and the functions of the backend that mention it. What `engine/versions.py` knows to be
missing in some versions is left out.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from vllm_custom.errors import FOREIGN

from tests.vllm_env.mentions import BACKEND, importers, seen, users

STUBS = Path(__file__).parents[2] / "typings" / "vllm"

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
    "vllm.parser.Parser.count_reasoning_tokens",
    "vllm.parser.ParserManager.get_parser(tokenizer)",
    "vllm.parser.ParserManager.get_parser(tool_strict_level)",
    "vllm.entrypoints.openai.chat_completion.protocol.ChatCompletionRequest.resolve_reasoning_ended",
    "vllm.entrypoints.openai.chat_completion.protocol.ChatCompletionRequest.logprob_token_ids",
    "vllm.entrypoints.openai.completion.protocol.CompletionRequest.logprob_token_ids",
}

LEAST_FILES, LEAST_FUNCTIONS = 14, 110
LEAST_IMPORTS, LEAST_DECLARED = 20, 48
"""What the checks below look at, at least: a walk that sees less has lost its way, and would pass without having looked."""

SINCE = {
    "VLLMClientError": (0, 27),
    "QueueOverflowError": (0, 31),
    "MaxQueuedTokensError": (0, 31),
    "RetryableRequestError": (0, 32),
}
"""Exceptions that only newer versions raise, or derive others from."""


def imported() -> Iterator[tuple[str, str]]:
    """Module and name of everything that is imported from vLLM when the backend runs."""
    for source in sorted(BACKEND.rglob("*.py")):
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


def test_walks_see_the_backend():
    """Files and functions that use vLLM, what they import when they run, and what the stubs declare."""
    files, found = seen()
    imports, definitions = len(set(imported())), len(list(declared()))
    print(f"{files} files use vLLM in {found} functions, with {imports} imports; the stubs declare {definitions} names")
    assert files >= LEAST_FILES
    assert found >= LEAST_FUNCTIONS
    assert imports >= LEAST_IMPORTS
    assert definitions >= LEAST_DECLARED


@pytest.mark.parametrize(("module", "name"), sorted(set(imported())))
def test_what_is_imported_is_there(module, name):
    """Every name, in the module that it is imported from."""
    if module in MOVED or f"{module}.{name}" in MOVED:
        pytest.skip("has moved between versions")
    try:
        found = hasattr(importlib.import_module(module), name) or importlib.import_module(f"{module}.{name}")
    except ImportError:
        found = False
    assert found, _report([f"{module}.{name}"])


@pytest.mark.parametrize(
    ("module", "node"), [pytest.param(*each, id=f"{each[0]}.{each[1].name}") for each in declared()]
)
def test_what_the_stubs_declare_is_there(module, node):
    """Every class with its members, every function with its parameters."""
    if module in MOVED:
        pytest.skip("has moved between versions")
    real = _import(module)
    assert hasattr(real, node.name), _report([f"{module}.{node.name}"])
    missing: set[str] = set()
    for owner, name in members(node):
        path = f"{module}.{owner}"
        if path not in missing and not has(_get(real, owner), name):
            missing.add(path + (name if name.startswith("(") else f".{name}"))
    assert missing <= LACKING, _report(missing - LACKING)


@pytest.mark.parametrize(
    ("module", "node"), [pytest.param(*each, id=f"{each[0]}.{each[1].name}") for each in declared()]
)
def test_nothing_new_is_required(module, node):
    """A parameter without a default that the stubs do not declare is one that no call of ours gives."""
    if module in MOVED:
        pytest.skip("has moved between versions")
    real = _import(module)
    broken = [
        f"{module}.{path}{name}"
        for path, parameters in functions(node)
        if f"{module}.{path}" not in LACKING and not _takes_anything(parameters)
        for name in required(_get(real, path)) - set(_parameters(parameters))
    ]
    assert not broken, _report(broken, "wants")


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_errors_are_still_called_that(name):
    """`errors.py` knows exceptions by name: one that has another by now would be taken for a fault of ours."""
    version = tuple(int(part) for part in importlib.import_module("vllm").__version__.split(".")[:2])
    if version < SINCE.get(name, (0, 0)):
        pytest.skip("only newer versions raise it")
    homes = ("asyncio", "pydantic", "vllm.exceptions", "vllm.v1.engine.exceptions")
    assert any(hasattr(importlib.import_module(home), name) for home in homes), f"{name}: errors.py: FOREIGN"


def test_report_names_file_and_function():
    """What is missing, and where it is used: a method, a parameter, an imported name, a constructor."""
    assert "VllmOpener.open" in users("vllm.v1.engine.async_llm.AsyncLLM.add_request(prompt_text)")
    assert users("vllm.v1.engine.async_llm.AsyncLLM.remove_lora") == "engine/vllm_lora.py: LoraControl._unload"
    assert "engine/vllm_lora.py: lora_request" in users("vllm.lora.request.LoRARequest.__init__(lora_path)")
    assert users("vllm.nowhere.Nothing.at_all") == "for its types alone"


def functions(node: Any) -> Iterator[tuple[str, Any]]:
    """The functions of a definition with their paths in the module: itself, or the methods."""
    if isinstance(node, ast.ClassDef):
        inner = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        yield from ((f"{node.name}.{each.name}", each) for each in inner)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name, node


def required(function: Any) -> set[str]:
    """The parameters that every call has to give, named as `_parameters` does."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    open_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = [each for each in parameters if each.default is each.empty and each.kind not in open_kinds]
    return {f"({each.name})" for each in given if each.name not in ("self", "cls")}


def _takes_anything(node: Any) -> bool:
    return node.args.kwarg is not None or any(ast.unparse(each) == "property" for each in node.decorator_list)


def _report(missing: Collection[str], verb: str = "has no") -> str:
    version = importlib.import_module("vllm").__version__
    return "\n".join(f"vLLM {version} {verb} {path}\n    used: {users(path)}" for path in sorted(missing))


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        pytest.fail(f"{error}\n    used: {importers(module)}")


def _get(module: Any, path: str) -> Any:
    value = module
    for part in path.split("."):
        value = inspect.getattr_static(value, part) if isinstance(value, type) else getattr(value, part)
    while isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return value.fget if isinstance(value, property) else value
