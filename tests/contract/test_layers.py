"""Imports point one way, and libraries stay where they belong."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gateway"

ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "generation", "pooling", "ids", "tasks", "memory", "defaults", "settings", "wire", "version", "metrics"),
    ("request_record",),
    ("log", "limits", "answers", "prompting"),
    ("triton",),
    ("models",),
    ("dispatch",),
    ("core",),
    ("web",),
    ("middleware", "apis"),
    ("app", "server", "__main__"),
)
"""The rows of the architecture: each may import what stands above it, and its own folder."""

ALONE = {
    "pydantic": ("wire", "apis", "settings", "web", "__main__"),
    "pydantic_settings": ("settings",),
    "jinja2": ("prompting",),
    "tokenizers": ("prompting",),
    "httpx": ("prompting",),
    "grpc": ("triton",),
    "tritonclient": ("triton",),
    "prometheus_client": ("metrics",),
    "fastapi": ("web", "apis", "app"),
    "starlette": ("web", "middleware", "app"),
    "uvicorn": ("server",),
}
"""Libraries, and the only parts of the gateway that may import them."""

WITHIN_A_ROW = {("wire", "generation"), ("settings", "defaults")}
"""`wire` makes SamplingParams."""


def modules(*, cli: bool) -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if ("cli" in path.relative_to(PACKAGE).parts) is cli)


def part_of(path: Path) -> str:
    """`chat` for gateway/chat/stream.py, `app` for gateway/app.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.AST, *, top_level_only: bool = False) -> Iterator[str]:
    """Dotted names of what is imported, `from gateway import log` as `gateway.log`."""
    for node in ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            if node.module == "gateway":
                yield from (f"gateway.{alias.name}" for alias in node.names)
            else:
                yield node.module


def row_of(part: str) -> int:
    return next(number for number, row in enumerate(ROWS) if part in row)


def parameters(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("path", parameters(modules(cli=False)))
def test_imports_point_up(path: Path) -> None:
    """A module imports rows above its own, and its own folder; never the command line."""
    part = part_of(path)
    if part == "__init__":
        return
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if not name.startswith("gateway."):
            continue
        target = name.split(".")[1]
        beside = target == part or (part, target) in WITHIN_A_ROW or row_of(part) == len(ROWS) - 1
        assert row_of(target) < row_of(part) or beside, f"{part} imports {name}"


@pytest.mark.parametrize("path", parameters(modules(cli=False)))
def test_libraries_stay_in_their_part(path: Path) -> None:
    """gRPC in `triton/`, HTTP in `routes/` and `middleware/`, and so on."""
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        library = name.split(".")[0]
        if library in ALONE:
            assert part_of(path) in ALONE[library], f"{part_of(path)} imports {name}"


@pytest.mark.parametrize("path", parameters([p for p in modules(cli=True) if "prepare" not in p.parts]))
def test_command_line_needs_no_package(path: Path) -> None:
    """It sets up the environments: what it imports when it starts is in the standard library, or its own."""
    for name in imported(ast.parse(path.read_text(encoding="utf-8")), top_level_only=True):
        own = name.startswith("gateway.cli") or name in ("gateway.version", "gateway.defaults")
        assert own or name.split(".")[0] in sys.stdlib_module_names, name
