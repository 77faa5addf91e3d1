"""Twin of gateway/cli/setup/checks.py."""

import platform
import shutil
from pathlib import Path
from types import SimpleNamespace

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
    problem = checks.shared_memory(tmp_path / "shm")
    assert problem is not None
    assert "is missing" in problem.what


@pytest.mark.parametrize(("mebibytes", "fits"), [(64, False), (256, False), (512, True)])
def test_shared_memory_holds_what_the_engine_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: int, fits: bool
):
    """Docker gives 64 MiB unless told otherwise, and an engine refuses to start with them."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=mebibytes * 2**20))
    problem = checks.shared_memory(tmp_path)
    assert (problem is None) is fits
    assert problem is None or "--shm-size=1g" in problem.fix


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


def test_library_of_vllms_build_for_the_cpu_is_looked_for():
    """A minimal Debian and python:slim lack it."""
    assert checks.libnuma() is None
    problem = checks.libnuma("libnuma-of-nobody.so.1")
    assert problem is not None
    assert "apt install libnuma1" in problem.fix
