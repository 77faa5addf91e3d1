"""The house of the gateway: imports point one way, and libraries stay where they belong.

    errors, generation, pooling, …   values that all may use
    request_record
    mistakes  log  limits  answers  prompting
    triton
    models  repository
    dispatch
    core
    web
    middleware  apis
    app  server  __main__            cli: standard library only

A room may import those above it. `test_backend_layers.py` draws the backend's.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gateway"

ROWS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "generation",
        "pooling",
        "ids",
        "tasks",
        "memory",
        "metrics",
        "packing",
        "defaults",
        "addresses",
        "version",
        "exact_json",
    ),
    ("wire", "settings", "request_record"),
    ("mistakes", "log", "limits", "answers", "prompting"),
    ("triton",),
    ("models", "repository"),
    ("dispatch",),
    ("core",),
    ("web",),
    ("middleware", "apis"),
    ("app", "server", "inspection", "__main__"),
)
"""The rooms by row: each may import what stands above it, and its own folder."""

ALONE = {
    "pydantic": ("wire", "apis", "settings", "mistakes", "web"),
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
"""Libraries, and the only rooms of the gateway that may import them."""

LEAST_MODULES, LEAST_IMPORTS = 170, 500
"""A walk that sees fewer has lost its way, and would pass without having looked."""


def modules(*, cli: bool) -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if ("cli" in path.relative_to(PACKAGE).parts) is cli)


def room_of(path: Path) -> str:
    """`apis` for gateway/apis/chat/stream.py, `app` for gateway/app.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Dotted names of what a file imports, also in functions; `from gateway import log` is `gateway.log`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            if node.module in ("gateway", "gateway.apis"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def file_of(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def row_of(room: str) -> int:
    return next(number for number, row in enumerate(ROWS) if room in row)


def parameters(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def test_walk_sees_the_house() -> None:
    """All rooms have a row, and the checks below look at as many modules and imports as there are."""
    paths = modules(cli=False)
    imports = [name for path in [*paths, *modules(cli=True)] for name in imported(path) if name.startswith("gateway.")]
    assert {room_of(path) for path in paths} - {"__init__"} == {room for row in ROWS for room in row}
    assert len([*paths, *modules(cli=True)]) >= LEAST_MODULES
    assert len(imports) >= LEAST_IMPORTS


@pytest.mark.parametrize("path", parameters(modules(cli=False)))
def test_imports_point_up(path: Path) -> None:
    """A module imports rooms above its own, and its own; never the command line."""
    room = room_of(path)
    if room == "__init__":
        return
    for name in imported(path):
        if not name.startswith("gateway."):
            continue
        target = name.split(".")[1]
        beside = target == room or row_of(room) == len(ROWS) - 1
        assert row_of(target) < row_of(room) or beside, f"{room} imports {name}"


@pytest.mark.parametrize("path", parameters([path for path in modules(cli=False) if room_of(path) == "apis"]))
def test_no_api_knows_another(path: Path) -> None:
    """What two APIs share has a room of its own; only the list of all names them."""
    own = path.relative_to(PACKAGE / "apis").parts[0]
    if own == "__init__.py":
        return
    for name in imported(path):
        if name.startswith("gateway.apis."):
            assert name.split(".")[2] == own, f"{own} imports {name}"


@pytest.mark.parametrize("path", parameters(modules(cli=False)))
def test_libraries_stay_in_their_room(path: Path) -> None:
    """gRPC in `triton/`, HTTP in `web/`, `middleware/` and `apis/`, and so on."""
    for name in imported(path):
        library = name.split(".")[0]
        if library in ALONE:
            assert room_of(path) in ALONE[library], f"{room_of(path)} imports {name}"


PLAIN = ("gateway.version", "gateway.defaults", "gateway.repository.folders")
"""What the command line shares with the rest; these need no package either."""
ELSEWHERE = ("prepare", "hub")
"""Programs of the command line that run in an environment of their own."""


@pytest.mark.parametrize(
    "path",
    parameters([p for p in modules(cli=True) if not set(ELSEWHERE) & set(p.parts)] + [file_of(name) for name in PLAIN]),
)
def test_command_line_needs_no_package(path: Path) -> None:
    """It sets up the environments: what it imports when it starts is in the standard library, or its own."""
    for name in imported(path, top_level_only=True):
        own = name.startswith("gateway.cli") or name in PLAIN
        assert own or name.split(".")[0] in sys.stdlib_module_names, name
        assert not name.startswith(tuple(f"gateway.cli.{each}" for each in ELSEWHERE)), name


@pytest.mark.parametrize("path", parameters(sorted((PACKAGE / "cli" / "hub").glob("*.py"))))
def test_program_of_the_hub_needs_its_library_alone(path: Path) -> None:
    """It runs in vLLM's environment, and vLLM, torch and transformers take seconds to import."""
    for name in imported(path):
        own = name.startswith("gateway.cli") or name.split(".")[0] == "huggingface_hub"
        assert own or name.split(".")[0] in sys.stdlib_module_names, name
