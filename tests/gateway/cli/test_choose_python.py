"""Twin of gateway/cli/choose_python.py."""

import ast
import inspect
import subprocess
from pathlib import Path

import pytest

from gateway.cli import __main__, choose_python

ROOT = Path(__file__).resolve().parents[3]


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
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert choose_python.find_supported() == str(other)


def test_one_version_may_be_unwanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """For who looks for another."""
    put(tmp_path, "python3.12", "exit 0")
    other = put(tmp_path, "python3.11", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert choose_python.find_supported(but=12) == str(other)


def test_pyenvs_own_is_found_behind_a_shim_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The shim of a version that is installed, but not chosen, says `command not found`."""
    installed = tmp_path / "pyenv" / "versions" / "3.12.1" / "bin"
    for folder in (tmp_path / "shims", installed):
        folder.mkdir(parents=True)
    put(tmp_path / "shims", "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    real = put(installed, "python3.12", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert choose_python.find_supported() == str(real)


@pytest.mark.parametrize("named", ["python3.12", "{installed}"])
def test_make_takes_a_python_by_name_or_path(tmp_path: Path, named: str):
    """`make PYTHON=python3.12` with pyenv's shim, and `make PYTHON=/path/to/python3.12`."""
    installed = tmp_path / "pyenv" / "versions" / "3.12.1" / "bin"
    for folder in (tmp_path / "shims", installed):
        folder.mkdir(parents=True)
    put(tmp_path / "shims", "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    real = put(installed, "python3.12", 'echo "ran $0 $@"')
    environment = {"PATH": f"{tmp_path / 'shims'}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv")}
    command = ["make", "-s", "doctor", f"PYTHON={named.format(installed=real)}"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == f"ran {real} -m gateway.cli doctor\n"


def test_none_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Then the user is told which to install and how to name it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert choose_python.find_supported() is None
    told = choose_python.refusal("3.13")
    assert "3.13" in told
    assert "make up PYTHON=" in told


@pytest.mark.parametrize("module", [__main__, choose_python])
def test_any_python_3_can_read_it(module: object):
    """The file that refuses an old Python has to be readable by it."""
    ast.parse(inspect.getsource(module), feature_version=(3, 5))  # type: ignore[arg-type]
