"""Each module of the gateway has its test file of the same name and path, or a reason why it needs none."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gateway"
TESTS = ROOT / "tests" / "gateway"

PREPARE = "a program of the environment that prepares weights, where tests/prepare_env runs it"

HUB = "needs huggingface_hub: tests/vllm_env/test_hub_program.py runs it in vLLM's environment"

WITHOUT: Mapping[str, str] = {
    "core.py": "values without behaviour",
    "defaults.py": "constants",
    "version.py": "a constant",
    "prompting/conversation.py": "values without behaviour",
    "prompting/prompt.py": "values without behaviour",
    "web/core.py": "a cast, by which every endpoint of a test that speaks HTTP gets its core",
    "wire/answers.py": "shapes; test_fields.py, and the SDK's types in every test that reads an answer, judge them",
    "wire/images.py": "shapes, refused and taken in wire/test_messages.py",
    "apis/models/schema.py": "shapes, read in apis/models/test_routes.py",
    "cli/hub/__main__.py": HUB,
    "cli/hub/download.py": HUB,
    "cli/hub/failures.py": HUB,
    "cli/hub/listing.py": "values without behaviour",
    "cli/hub/main.py": HUB,
    "cli/hub/remote.py": HUB,
    "cli/leash.py": "becomes another program: cli/test_children.py starts it",
    "cli/prepare/all_minilm.py": PREPARE,
    "cli/prepare/bert.py": PREPARE,
    "cli/prepare/command.py": PREPARE,
    "cli/prepare/linear_svm.py": PREPARE,
    "cli/prepare/moderation.py": PREPARE,
    "cli/prepare/smollm2.py": PREPARE,
    "cli/prepare/sources.py": PREPARE,
    "cli/prepare/word_tokenizer.py": PREPARE,
}
"""Modules without a twin, and why."""

LEAST_MODULES, LEAST_TESTS = 156, 800
"""A walk that sees fewer has lost its way, and would pass without having looked."""


def modules() -> list[str]:
    """All of them, by their path below the package; what names a folder has no logic."""
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def twin_of(module: str) -> Path:
    """The mirrored path; `__main__.py` is tested as `main`."""
    path = Path(module)
    return TESTS / path.with_name(f"test_{path.stem.strip('_')}.py")


def names_in(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [node.name for node in functions if node.name.startswith("test_")]


def test_walk_sees_the_package() -> None:
    """As many modules, and as many tests in their twins, as there are."""
    twins = {twin_of(module) for module in modules()}
    assert len(modules()) >= LEAST_MODULES
    assert sum(len(names_in(twin)) for twin in twins if twin.exists()) >= LEAST_TESTS


@pytest.mark.parametrize("module", [module for module in modules() if module not in WITHOUT])
def test_module_has_its_twin(module: str) -> None:
    """With a test in it."""
    twin = twin_of(module)
    assert twin.is_file(), f"gateway/{module} wants {twin.relative_to(ROOT)}, or a reason in WITHOUT"
    assert names_in(twin), f"{twin.relative_to(ROOT)} holds no test"


@pytest.mark.parametrize("module", WITHOUT)
def test_reason_is_not_stale(module: str) -> None:
    """The module is there, and no twin of it is."""
    assert (PACKAGE / module).is_file(), f"gateway/{module} is gone"
    assert not twin_of(module).exists(), f"gateway/{module} has a twin by now"


def test_names_are_not_used_twice() -> None:
    """Two tests of one name in a file: only the second would run."""
    for path in sorted(TESTS.rglob("test_*.py")):
        names = names_in(path)
        assert len(names) == len(set(names)), path.relative_to(ROOT)
