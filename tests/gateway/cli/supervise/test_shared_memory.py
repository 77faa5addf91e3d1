"""Twin of gateway/cli/supervise/shared_memory.py."""

import os
import subprocess
import sys
from collections.abc import Generator
from multiprocessing import shared_memory as theirs
from pathlib import Path

import pytest

from gateway.cli.supervise import shared_memory as ours


@pytest.fixture
def block() -> Generator[theirs.SharedMemory, None, None]:
    """A block as vLLM makes them."""
    block = theirs.SharedMemory(create=True, size=4096)
    yield block
    block.close()
    block.unlink()


def test_a_mapped_block_is_found(block: theirs.SharedMemory):
    """Under whatever name its library gave it."""
    assert ours.FOLDER / block.name in ours.mapped_by([os.getpid()])


def test_a_named_semaphore_is_found():
    """Those that spawned processes share keep their names until somebody removes them."""
    program = "import multiprocessing as m; lock = m.get_context('spawn').Lock()\n"
    program += "print(lock._semlock.name, flush=True); input()"  # nothing public of Python's tells the name
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        name = child.stdout.readline().decode().strip()
        found = ours.mapped_by([child.pid])
        child.communicate(b"\n")
    assert ours.FOLDER / f"sem.{name.removeprefix('/')}" in found


def test_only_the_regions_of_dead_runs_are_left_over(tmp_path: Path):
    """Another run beside this one keeps its memory."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead, alive = tmp_path / f"triton_gateway_{ended.pid}_a", tmp_path / f"{ours.prefix()}b"
    for path in (dead, alive, tmp_path / "psm_other"):
        path.touch()
    assert ours.left_by_the_dead(tmp_path) == [dead]


def test_what_was_noted_and_what_bears_our_name_is_removed(tmp_path: Path):
    """Also when somebody else was faster."""
    noted, named, other = tmp_path / "psm_1", tmp_path / f"{ours.prefix()}x", tmp_path / "psm_2"
    for path in (noted, named, other):
        path.touch()
    ours.remove([noted, tmp_path / "gone"], tmp_path)
    assert list(tmp_path.iterdir()) == [other]
