"""Twin of gateway/cli/setup/interpreter.py."""

import sys
import sysconfig
from pathlib import Path

import pytest

from gateway.cli.setup import interpreter

NAME = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python that was built elsewhere, and lies below this folder now."""
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    configured = {"LIBDIR": "/nowhere/lib", "MULTIARCH": "x86_64-none"}
    monkeypatch.setattr(sysconfig, "get_config_var", configured.get)
    return tmp_path


@pytest.mark.parametrize("folder", ["lib", "lib64", "lib/x86_64-none"])
def test_the_library_is_found_below_the_prefix(nowhere: Path, folder: str):
    """Where the configured folder is wrong."""
    library = nowhere / folder / NAME
    library.parent.mkdir(parents=True)
    library.touch()
    assert interpreter.shared_library() == library


def test_a_python_without_the_library_has_none(nowhere: Path):
    """A folder of that name is none either."""
    (nowhere / "lib" / NAME).mkdir(parents=True)
    assert interpreter.shared_library() is None


def test_only_a_library_is_loaded(tmp_path: Path):
    """Whatever else has its name."""
    fake = tmp_path / NAME
    assert not interpreter.loads(fake)
    fake.write_bytes(b"no library")
    assert not interpreter.loads(fake)


@pytest.mark.parametrize(("missing", "lacks"), [("venv", True), ("ensurepip", True), ("tkinter", False)])
def test_either_half_of_venv_may_be_split_off(missing: str, lacks: bool, monkeypatch: pytest.MonkeyPatch):
    """What else a distribution leaves out is of no concern."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else object())
    assert interpreter.lacks_venv() is lacks
