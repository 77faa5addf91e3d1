"""Twin of gateway/cli/setup/triton.py: the wheel's part is played by a few files."""

import os
import sys
from pathlib import Path
from typing import cast

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import triton
from gateway.cli.setup.pip import Pip

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


class FakePip:
    """Unpacks what the wheel holds, without run bits."""

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def into_folder(self, folder: Path, lock: Path, label: str) -> None:
        assert (lock.name, label) == ("triton.txt", "triton")
        server = folder / "pytriton" / "tritonserver"
        for path in (
            server / "bin" / "tritonserver",
            server / "python_backend_stubs" / MINOR / "triton_python_backend_stub",
            server / "backends" / "python" / "libtriton_python.so",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
            path.chmod(0o644)
        if self._fails:
            raise Problem("no disk", "buy one")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A checkout with Triton's lock and the folders of our backends."""
    layout = Layout(tmp_path)
    layout.requirements.mkdir()
    (layout.requirements / "triton.txt").write_text("triton==1\n")
    for name in ("vllm_custom", "pytorch"):
        (tmp_path / "triton_backend" / name).mkdir(parents=True)
    return layout


def unpack(layout: Layout, *, fails: bool = False) -> None:
    """With what only looks like pip."""
    triton.unpack(layout, cast("Pip", FakePip(fails)))


def test_the_server_can_be_run(layout: Layout):
    """And is done until its lock changes."""
    assert not triton.triton_is_done(layout)
    unpack(layout)
    assert os.access(triton.server(layout), os.X_OK)
    assert triton.libraries(layout).is_relative_to(layout.triton)
    assert triton.triton_is_done(layout)
    (layout.requirements / "triton.txt").write_text("triton==2\n")
    assert not triton.triton_is_done(layout)


def test_a_failure_leaves_the_one_before(layout: Layout):
    """The new one takes its place when it is whole."""
    unpack(layout)
    (layout.triton / "old").touch()
    with pytest.raises(Problem):
        unpack(layout, fails=True)
    assert (layout.triton / "old").exists()
    assert triton.triton_is_done(layout)
    unpack(layout)
    assert not (layout.triton / "old").exists()


def test_backends_are_tritons_and_ours(layout: Layout):
    """The Python backend with the stub of this Python, and links to what is in the checkout, with an environment each."""
    unpack(layout)
    assert not triton.backends_are_done(layout)
    triton.make_backends(layout)
    assert triton.backends_are_done(layout)
    assert sorted(path.name for path in (layout.backends / "python").iterdir()) == [
        "libtriton_python.so",
        "triton_python_backend_stub",
    ]
    for name in ("vllm_custom", "pytorch"):
        model, environment = (layout.backends / name / part for part in ("model.py", "pb_exec_env_model.py.tar.gz"))
        assert model.resolve() == layout.root / "triton_backend" / name / "model.py"
        assert environment.resolve() == layout.environment(name)
    assert os.access(layout.backends / "python" / "triton_python_backend_stub", os.X_OK)


def test_another_triton_makes_the_backends_anew(layout: Layout):
    """They hold parts of it."""
    unpack(layout)
    triton.make_backends(layout)
    (layout.requirements / "triton.txt").write_text("triton==2\n")
    assert not triton.backends_are_done(layout)
