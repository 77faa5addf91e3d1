"""Tests that need torch and the libraries the weights come from: `make models` runs them in an environment that has both.

There the prepare scripts run as set-up runs them, once each, into a folder of the test run.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "gateway" / "cli" / "prepare"

# The environment of the other tests has no torch; `make models` fails when it finds nothing to run.
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]


FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """TorchScript is what Triton's PyTorch backend takes, however PyTorch speaks of its future."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning"))


def _prepare(script: str, out: Path) -> Path:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), "--out", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"wrote {out} in ")
    return out


@pytest.fixture(scope="session")
def moderation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _prepare("moderation.py", tmp_path_factory.mktemp("weights") / "moderation")


@pytest.fixture(scope="session")
def all_minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _prepare("all_minilm.py", tmp_path_factory.mktemp("weights") / "all-minilm-l6-v2")


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _prepare("smollm2.py", tmp_path_factory.mktemp("weights") / "smollm2-135m-instruct")
