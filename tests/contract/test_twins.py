"""Every module with logic has its test file of the same name and path; the others stand below, each with its reason."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class House:
    """A package and its tests. `tests` mirrors the package; in `flat` a twin lies whatever the module's folder is.

    `without` names the modules that have no twin: `values` for what has no logic, or the file that tests them.
    `least` is how many modules there are at least: a walk that sees fewer has lost its way.
    """

    name: str
    package: Path
    tests: Path
    flat: tuple[Path, ...]
    without: Mapping[str, str]
    least: int

    def modules(self) -> list[str]:
        """All but the `__init__` files, as `serving/outbox.py`."""
        paths = self.package.rglob("*.py")
        return sorted(path.relative_to(self.package).as_posix() for path in paths if path.name != "__init__.py")

    def twins(self, module: str) -> list[Path]:
        """Where the test of a module may lie."""
        path = Path(module)
        name = f"test_{path.name}"
        return [self.tests / path.parent / name, *(folder / name for folder in self.flat)]


LOGIC = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.comprehension, ast.BoolOp)
VALUES = "values and protocols: nothing in it can fail"
ENGINE = "tests/vllm_env/test_engine.py"

BACKEND = House(
    "backend",
    ROOT / "triton_backend" / "vllm_custom",
    ROOT / "tests" / "triton_backend" / "vllm_custom",
    # What needs vLLM is tested in an environment that has it.
    (ROOT / "tests" / "vllm_env",),
    {
        "contract/control_ops.py": VALUES,
        "contract/generate.py": VALUES,
        "contract/lora.py": VALUES,
        "contract/outputs.py": VALUES,
        "contract/plan.py": VALUES,
        "engine/interface.py": VALUES,
        "engine/schemas/keywords.py": VALUES,
        # Only a real engine shows that vLLM takes what these give it.
        "engine/decoding.py": ENGINE,
        "engine/official_decoding.py": "tests/vllm_env/test_rendering.py",
        "engine/vllm_engine.py": ENGINE,
        "engine/vllm_lora.py": ENGINE,
        "engine/vllm_opener.py": ENGINE,
        # Every test of an op runs through it.
        "serving/context.py": "tests/triton_backend/vllm_custom/operations/test_health.py",
    },
    least=95,
)
HOUSES = (BACKEND,)


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.name)
def test_every_module_has_a_twin(house: House) -> None:
    """Or its reason not to."""
    modules = house.modules()
    print(f"{house.name}: {len(modules)} modules, {len(house.without)} of them without a test file of their name")
    assert len(modules) >= house.least
    alone = [each for each in modules if not any(twin.exists() for twin in house.twins(each))]
    assert alone == sorted(house.without)


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.name)
def test_reasons_are_true(house: House) -> None:
    """A file that is said to test a module is there, and values have nothing that branches or loops."""
    for module, reason in house.without.items():
        if reason == VALUES:
            tree = ast.parse((house.package / module).read_text(encoding="utf-8"))
            assert not [node for node in ast.walk(tree) if isinstance(node, LOGIC)], module
        else:
            assert (ROOT / reason).is_file(), f"{module}: {reason}"


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.name)
def test_every_test_file_has_its_module(house: House) -> None:
    """A test that outlives its module tests something else by now."""
    modules = set(house.modules())
    tests = [path.relative_to(house.tests) for path in house.tests.rglob("test_*.py")]
    assert len(tests) >= house.least - len(house.without) - 20
    assert not [
        str(path) for path in tests if (path.parent / path.name.removeprefix("test_")).as_posix() not in modules
    ]
