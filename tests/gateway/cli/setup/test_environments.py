"""Twin of gateway/cli/setup/environments.py: pip's part is played by a script."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup.environments import Environments
from gateway.cli.setup.pip import Pip


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """A checkout with the lock of one environment."""
    environments = Environments(Layout(tmp_path), threading.Event())
    environments.layout.requirements.mkdir()
    environments.lock("x").write_text("a==1 --hash=sha256:0\n")
    return environments


def fake_pip(folder: Path, script: str) -> Pip:
    """pip as a shell script."""
    python = folder / "pip"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return Pip(python, folder / "logs", threading.Event())


def test_an_environment_is_done_with_its_lock(environments: Environments, tmp_path: Path):
    """And no longer when the lock changes."""
    environments.make("x", fake_pip(tmp_path, "exit 0"))
    folder = environments.layout.environment("x")
    assert environments.layout.python("x").exists()
    assert environments.is_done(folder, "x")
    environments.lock("x").write_text("a==2 --hash=sha256:0\n")
    assert not environments.is_done(folder, "x")


def test_a_host_with_a_gpu_gets_the_builds_for_cuda(environments: Environments):
    """Of those environments that have such a lock."""
    cuda = replace(environments, layout=replace(environments.layout, cuda=True))
    assert cuda.lock("x") == environments.lock("x")
    lock = environments.lock("x").with_name(environments.lock("x").name.replace("x-", "x-cuda-"))
    lock.write_text("a==1+cu130 --hash=sha256:0\n")
    assert cuda.lock("x") == lock
    assert environments.lock("x") != lock


def test_a_half_made_environment_is_made_from_nothing(environments: Environments, tmp_path: Path):
    """What an interrupted one left does not mix with the new."""
    folder = environments.layout.environment("x")
    with pytest.raises(Problem):
        environments.make("x", fake_pip(tmp_path, "exit 1"))
    assert not environments.is_done(folder, "x")
    (folder / "left").touch()
    environments.make("x", fake_pip(tmp_path, "exit 0"))
    assert not (folder / "left").exists()


def test_a_folder_appears_whole(environments: Environments, tmp_path: Path):
    """A failure leaves the one before in place."""
    folder = environments.layout.prepare
    install = 'while [ "$1" != --target ]; do shift; done; mkdir -p "$2"; echo 1 > "$2/a"'
    environments.make_folder(folder, "x", fake_pip(tmp_path, install))
    assert environments.is_done(folder, "x")
    with pytest.raises(Problem):
        environments.make_folder(folder, "x", fake_pip(tmp_path, f"{install}; exit 1"))
    assert (folder / "a").exists()


def test_the_same_python_is_the_same_from_a_virtual_environment(environments: Environments):
    """`python3 -m gateway.cli` and the same from `.cache/envs/dev` do not take turns in remaking everything."""
    assert sys.prefix != sys.base_prefix, "the tests run in a virtual environment"
    here = environments.digest("x")
    program = "import sys, threading, pathlib; from gateway.cli.layout import Layout;"
    program += "from gateway.cli.setup.environments import Environments;"
    program += (
        f"print(Environments(Layout(pathlib.Path({str(environments.layout.root)!r})), threading.Event()).digest('x'))"
    )
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    there = subprocess.run(
        [base, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4]
    )
    assert there.stdout.strip() == here
