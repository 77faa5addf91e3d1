"""Twin of gateway/cli/setup/checks.py."""

import platform
from pathlib import Path

import pytest

from gateway.cli.setup import checks, interpreter


def test_this_machine_will_do():
    """The tests run where the product runs."""
    assert checks.machine() == []
    assert checks.memory(0.1) is None
    assert checks.shared_memory() is None


def test_too_little_disk_is_told_before_anything_exists(tmp_path: Path):
    """The folder need not exist yet; the message names both sizes."""
    problem = checks.disk(tmp_path / "a" / "b", 1e9)
    assert problem is not None
    assert "1000000000.0 GB" in problem.what
    assert checks.disk(tmp_path / "a" / "b", 0.0) is None


def test_too_little_memory_is_told():
    """Better before the load than from the kernel's killer in the middle of it."""
    problem = checks.memory(1e6)
    assert problem is not None
    assert "1000000.0 GB" in problem.what


def test_no_shared_memory_is_told(tmp_path: Path):
    """Triton's own message for it says nothing."""
    assert checks.shared_memory(tmp_path / "shm") is not None


@pytest.mark.parametrize(
    ("library", "fits"), [(("glibc", "2.31"), False), (("glibc", "2.35"), True), (("", ""), False)]
)
def test_an_old_or_other_c_library_is_told(monkeypatch: pytest.MonkeyPatch, library: tuple[str, str], fits: bool):
    """musl and old glibc cannot run the binary."""
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    assert (checks.machine() == []) is fits


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_another_architecture_is_told(monkeypatch: pytest.MonkeyPatch, system: str, machine: str):
    """The wheel's binary is for one architecture; the message says what still works elsewhere."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert "serve" in checks.machine()[0].fix


def test_a_python_without_shared_library_is_told(monkeypatch: pytest.MonkeyPatch):
    """The stub embeds libpython; many Pythons are built without."""
    monkeypatch.setattr(interpreter, "shared_library", lambda: None)
    assert "enable-shared" in checks.machine()[0].fix


def test_a_python_without_venv_is_told(monkeypatch: pytest.MonkeyPatch):
    """Debian splits it off."""
    monkeypatch.setattr(interpreter, "lacks_venv", lambda: True)
    assert "-venv" in checks.machine()[0].fix
