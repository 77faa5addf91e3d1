"""Twin of gateway/cli/setup/ready.py: the part of the environment's Python is played by a script."""

from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.setup import ready


def environment(folder: Path, script: str) -> Path:
    """An environment whose Python does this."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").touch()
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return folder


def test_environment_that_imports_is_linked(tmp_path: Path):
    """In place of one that set-up had made."""
    there, link = environment(tmp_path / "mine", "exit 0"), tmp_path / "envs" / "pytorch"
    (link / "bin").mkdir(parents=True)
    assert not ready.is_done(link, there, "pytorch")
    ready.use(link, there, "pytorch")
    assert ready.is_done(link, there, "pytorch")
    assert link.resolve() == there


def test_environment_that_lacks_something_is_refused(tmp_path: Path):
    """With Python's own last line, and what was there stays."""
    there = environment(tmp_path / "mine", "echo \"ModuleNotFoundError: No module named 'vllm'\" >&2; exit 1")
    link = tmp_path / "vllm_custom"
    link.mkdir()
    with pytest.raises(Problem, match="No module named 'vllm'"):
        ready.use(link, there, "vllm_custom")
    assert link.is_dir()
    assert not link.is_symlink()


def test_environment_that_triton_cannot_activate_is_refused(tmp_path: Path):
    """Triton's Python backend reads bin/activate; without it every model fails."""
    there = environment(tmp_path / "ready", "exit 0")
    assert ready.complaint(there, "pytorch") is None
    (there / "bin" / "activate").unlink()
    assert "bin/activate" in str(ready.complaint(there, "pytorch"))


def test_folder_without_python_is_refused(tmp_path: Path):
    """A word of what was looked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "activate").touch()
    assert "bin/python" in str(ready.complaint(tmp_path, "pytorch"))


def test_only_the_link_to_a_ready_environment_is_removed(tmp_path: Path):
    """What somebody else has made is theirs."""
    there = environment(tmp_path / "mine", "exit 0")
    (tmp_path / "link").symlink_to(there)
    ready.remove(tmp_path / "link")
    assert not (tmp_path / "link").exists()
    assert (there / "bin" / "python").exists()
    ready.remove(there)
    assert not there.exists()
