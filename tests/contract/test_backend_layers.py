"""The house of the backend: imports point one way, and vLLM and Triton's Python API stay where they belong.

    errors
    contract            what gateway and backend say to each other
    configuration       what an operator has written
    official            NVIDIA's own backend, as its clients know it
    metrics  gpus
    engine              the engine's interface, and vLLM behind it
    replay  recovery    a scripted engine; one that is watched and replaced
    serving             running requests
    operations          an op of the contract a file
    instance
    autocomplete  launch
    model               what Triton loads

A room may import those above it, and itself. `test_layers.py` draws the gateway's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "triton_backend" / "vllm_custom"
NAME = "vllm_custom"

ROWS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("contract",),
    ("configuration",),
    ("official",),
    ("metrics", "gpus"),
    ("engine",),
    ("replay", "recovery"),
    ("serving",),
    ("operations",),
    ("instance",),
    ("autocomplete",),
    ("launch",),
    ("model",),
)
"""The rooms by row: each may import what stands above it, and its own folder."""

ALONE = {
    "vllm": ("engine/", "configuration/config.py", "replay/parsing.py"),
    "torch": (),
    "triton_python_backend_utils": (
        "model.py",
        "contract/tensors.py",
        "official/tensors.py",
        "metrics/triton_sink.py",
    ),
    "tokenizers": ("replay/tokens.py",),
    "psutil": ("engine/watchdog.py",),
}
"""Libraries, and the only folders and files of the backend that may import them."""

LEAST_MODULES, LEAST_IMPORTS = 105, 390
"""A walk that sees fewer has lost its way, and would pass without having looked."""


@dataclass(frozen=True)
class Imported:
    """One name that a module imports: `module` is dotted, `contract.records` for one of ours, else `vllm.config`."""

    module: str
    ours: bool


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """`serving` for serving/outbox.py, `instance` for instance.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[Imported]:
    """Everything that a file imports, also in functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (_of(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module
            # `from vllm_custom import launch` names the module behind the `import`.
            names = [alias.name for alias in node.names] if node.module == NAME else [""]
            yield from (_of(f"{node.module}.{name}".rstrip(".")) for name in names)
        elif isinstance(node, ast.ImportFrom):
            yield from _relative(path, node)


def _of(dotted: str) -> Imported:
    own, _, rest = dotted.partition(".")
    return Imported(rest, ours=True) if own == NAME else Imported(dotted, ours=False)


def _relative(path: Path, node: ast.ImportFrom) -> Iterator[Imported]:
    """In serving/session.py, `from ..contract import records` is `contract.records`, and `from .gate` is `serving.gate`."""
    folder = path.relative_to(PACKAGE).parent
    parts = folder.parts[: len(folder.parts) - (node.level - 1)]
    assert node.level - 1 <= len(folder.parts), f"{path} imports from outside the backend"
    if node.module is not None:
        yield Imported(".".join((*parts, node.module)), ours=True)
    else:
        yield from (Imported(".".join((*parts, alias.name)), ours=True) for alias in node.names)


def row_of(room: str) -> int:
    return next(number for number, row in enumerate(ROWS) if room in row)


def parameters() -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in modules()]


def test_walk_sees_the_house() -> None:
    """All rooms have a row, and the checks below look at as many modules and imports as there are."""
    paths = modules()
    imports = [each for path in paths for each in imported(path) if each.ours]
    print(f"{len(paths)} modules of the backend, {len(imports)} imports between them")
    assert {room_of(path) for path in paths} - {"__init__"} == {room for row in ROWS for room in row}
    assert len(paths) >= LEAST_MODULES
    assert len(imports) >= LEAST_IMPORTS


def test_imports_are_resolved() -> None:
    """Each form that the backend uses, from where it stands: the checks rest on this."""
    seen = {each.module for each in imported(PACKAGE / "serving" / "session.py") if each.ours}
    assert {"contract.lifecycle", "serving.outbox", "errors"} <= seen
    assert Imported("operations", ours=True) in set(imported(PACKAGE / "instance.py"))
    assert Imported("launch", ours=True) in set(imported(PACKAGE / "model.py"))
    assert Imported("vllm.v1.engine.async_llm", ours=False) in set(imported(PACKAGE / "engine" / "vllm_control.py"))


@pytest.mark.parametrize("path", parameters())
def test_imports_point_up(path: Path) -> None:
    """A module imports rooms above its own, and its own."""
    room = room_of(path)
    if room == "__init__":
        return
    for each in imported(path):
        if each.ours:
            target = each.module.partition(".")[0]
            assert target == room or row_of(target) < row_of(room), f"{room} imports {each.module}"


@pytest.mark.parametrize("path", parameters())
def test_no_op_knows_another(path: Path) -> None:
    """What two ops share is in `serving/` or `contract/`; only the list of all of them knows them."""
    if room_of(path) != "operations" or path.stem == "__init__":
        return
    known = {each.module for each in imported(path) if each.ours and each.module.startswith("operations.")}
    assert known <= {"operations.operation"}


@pytest.mark.parametrize("path", parameters())
def test_libraries_stay_where_they_belong(path: Path) -> None:
    """vLLM in the engine's room, Triton's Python API where tensors and metrics are made."""
    place = path.relative_to(PACKAGE).as_posix()
    for each in imported(path):
        allowed = ALONE.get(each.module.partition(".")[0])
        if not each.ours and allowed is not None:
            assert any(place == one or (one.endswith("/") and place.startswith(one)) for one in allowed), (
                f"{place} imports {each.module}"
            )


def test_no_folder_hides_a_package() -> None:
    """Triton puts the backend's folder on sys.path, so its folders and root files are top-level names in that process: none
    may be the name of a package that anybody imports."""
    at_root = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    foreign = {each.module.partition(".")[0] for path in modules() for each in imported(path) if not each.ours}
    assert len(foreign) > 20
    assert not at_root & (foreign | {"requests", "vllm", "triton", "torch", "numpy"})
