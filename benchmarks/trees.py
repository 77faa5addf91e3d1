"""Source trees of revisions: checked out for the time of a run, and run as programs of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

_ORIGIN = "import importlib.util as util; print(util.find_spec('gateway.__main__').origin)"


def commit(repository: Path, revision: str) -> str:
    """The hash that a revision stands for. Raises RuntimeError when there is none."""
    done = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode != 0:
        raise RuntimeError(f"there is no revision {revision} here")
    return done.stdout.strip()


@contextmanager
def checked_out(repository: Path, revision: str, folder: Path) -> Generator[Path, None, None]:
    """The tree of a commit in `folder`, which goes with the block. The repository's own files stay as they are."""
    try:
        done = _git(repository, "worktree", "add", "--detach", str(folder), revision)
        if done.returncode != 0:
            raise RuntimeError(f"{revision} can't be checked out: {done.stderr}")
        yield folder
    finally:
        _git(repository, "worktree", "remove", "--force", str(folder))


def environment(tree: Path) -> Mapping[str, str]:
    """With which, and in which as its folder, a program imports the packages of this tree."""
    return {"PYTHONPATH": str(tree)}


def require_own(python: Path, tree: Path) -> None:
    """Raises RuntimeError when a gateway that is started in the tree would be another's, one that is installed say: a tree
    would then be compared with itself."""
    variables = {**os.environ, **environment(tree)}
    done = subprocess.run([python, "-c", _ORIGIN], check=False, capture_output=True, text=True, cwd=tree, env=variables)
    origin = Path(done.stdout.strip())
    if done.returncode != 0 or not origin.resolve().is_relative_to(tree.resolve()):
        raise RuntimeError(f"`python -m gateway` in {tree} is not its own: {origin}\n{done.stderr}")


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(repository), *arguments], check=False, capture_output=True, text=True)
