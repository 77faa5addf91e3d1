"""Every example of the README, as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.integration.conftest import ROOT, System
from tests.integration.pages import blocks

README = blocks(ROOT / "README.md")
PYTHON = [block.text for block in README if block.language == "python"]
SHELL = [block.text for block in README if block.language == "sh" and "curl" in block.text]


def _here(block: str, system: System) -> str:
    return block.replace("http://127.0.0.1:8000", system.url)


def test_readme_has_examples() -> None:
    """There is something to run."""
    assert PYTHON
    assert SHELL


@pytest.mark.parametrize("block", PYTHON)
def test_python_example_runs(system: System, block: str) -> None:
    """It runs, and prints what its comments say."""
    done = subprocess.run([sys.executable, "-c", _here(block, system)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in re.findall(r"^print.*  # (.+)$", block, re.MULTILINE):
        assert said in done.stdout


@pytest.mark.parametrize("block", SHELL)
def test_curl_example_runs(system: System, block: str) -> None:
    """Every line of it succeeds: a stream to its end, the models, readiness."""
    script = _here(block, system).replace("curl -s", "curl --fail-with-body -s")
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data: [DONE]" in done.stdout
    assert "smollm2-135m-instruct" in done.stdout
    assert '"status":"ready"' in done.stdout
