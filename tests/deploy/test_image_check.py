"""docker/check.py: what the build of an image with Triton ends with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "docker" / "check.py"


@pytest.fixture
def triton(tmp_path: Path) -> Path:
    """A folder with the layout of Triton's, with any programs in the place of its own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "backends" / "python").mkdir(parents=True)
    for target in ("bin/tritonserver", "backends/python/triton_python_backend_stub"):
        shutil.copy("/bin/ls", tmp_path / target)
    return tmp_path


def check(triton: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECK, triton], capture_output=True, text=True, check=False)


def test_missing_packages_and_stub_are_named(triton: Path):
    """This Python has no torch, and root has left the stub to itself."""
    (triton / "backends" / "python" / "triton_python_backend_stub").chmod(0o100)
    ended = check(triton)
    assert ended.returncode == 1
    assert "missing: the Python package torch\n" in ended.stderr
    assert "missing: the right for everybody to run" in ended.stderr
    assert "numpy" not in ended.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="makes a library that lacks another")
def test_library_that_does_not_resolve_is_named(triton: Path, tmp_path: Path):
    """The driver's own are mounted into the running container, and are not missed."""
    for name in ("libnobody.so.1", "libcuda.so.1"):
        made = tmp_path / name
        empty = ["cc", "-shared", "-x", "c", "/dev/null", f"-Wl,-soname,{name}", "-o", str(made)]
        subprocess.run(empty, check=True)
    backend = triton / "backends" / "pytorch" / "libtriton_pytorch.so"
    backend.parent.mkdir()
    needing = ["cc", "-shared", "-x", "c", "/dev/null", "-x", "none", "-Wl,--no-as-needed"]
    subprocess.run([*needing, tmp_path / "libnobody.so.1", tmp_path / "libcuda.so.1", "-o", backend], check=True)
    for name in ("libnobody.so.1", "libcuda.so.1"):
        (tmp_path / name).unlink()
    ended = check(triton)
    assert f"missing: libnobody.so.1, which {backend} needs" in ended.stderr
    assert "libcuda" not in ended.stderr
