"""Twin of gateway/cli/choose_python.py."""

import ast
import inspect
from pathlib import Path

import pytest

from gateway.cli import __main__, choose_python


def put(folder: Path, name: str, script: str) -> Path:
    """An executable of this name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_supported_python_goes_on():
    """The tests run under one."""
    assert choose_python.ensure_supported() is None


def test_the_newest_that_starts_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A version manager's name for a Python that is not installed is passed over."""
    put(tmp_path, "python3.12", "echo not installed; exit 127")
    other = put(tmp_path, "python3.11", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_python.find_supported() == str(other)


def test_none_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Then the user is told which to install and how to name it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_python.find_supported() is None
    told = choose_python.refusal("3.13")
    assert "3.13" in told
    assert "make up PYTHON=" in told


@pytest.mark.parametrize("module", [__main__, choose_python])
def test_any_python_3_can_read_it(module: object):
    """The file that refuses an old Python has to be readable by it."""
    ast.parse(inspect.getsource(module), feature_version=(3, 5))  # type: ignore[arg-type]
