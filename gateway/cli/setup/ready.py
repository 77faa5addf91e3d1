"""Environments that somebody else has made: linked where set-up would make its own, and judged by what they import."""

import shutil
import subprocess
import sys
from pathlib import Path

from gateway.cli.errors import Problem

_IMPORTS = {"vllm_custom": "torch, vllm, numpy, psutil", "pytorch": "torch, numpy"}
_TIMEOUT_S = 300.0


def is_done(link: Path, folder: Path, name: str) -> bool:
    """Whether the link is in place and the environment imports what its backend needs."""
    return link.is_symlink() and link.resolve() == folder.resolve() and complaint(folder, name) is None


def use(link: Path, folder: Path, name: str) -> None:
    """Put the link. Raises a Problem if the environment lacks something."""
    if lack := complaint(folder, name):
        raise Problem(
            f"{folder} can't be the environment of {name}: {lack}",
            "name a folder with bin/python that has these packages, or leave the option out: set-up makes its own.",
        )
    remove(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder.resolve())


def remove(environment: Path) -> None:
    """Remove an environment that set-up made; of a ready one, only the link."""
    if environment.is_symlink():
        environment.unlink()
    else:
        shutil.rmtree(environment, ignore_errors=True)


def complaint(folder: Path, name: str) -> str | None:
    """What is wrong with the environment, or None. Its Python must be of this Python's version, which is the stub's."""
    if not (folder / "bin" / "activate").is_file():
        return "it has no bin/activate, which Triton wants of an environment"
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    program = f"import sys; assert '%d.%d' % sys.version_info[:2] == '{minor}', 'its Python is not {minor}'"
    command = [str(folder / "bin" / "python"), "-c", f"{program}; import {_IMPORTS[name]}"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["it does not start"])[-1]
