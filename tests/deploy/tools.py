"""The programs that read the files of a deployment, as the development environment and the host have them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def installed(name: str) -> str:
    """The path of a program of the development environment."""
    return str(Path(sys.executable).with_name(name))


def of_host(name: str) -> str:
    """The path of a program of a Debian package that `.ci/packages` names."""
    path = shutil.which(name)
    assert path is not None, f"{name} is missing: apt-get install --no-install-recommends $(cat .ci/packages)"
    return path


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of this folder to its end, and fail with what it says if it fails."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def environment(**changes: str) -> Mapping[str, str]:
    """Variables of a user who has set nothing but these."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **changes}


def read_yaml(path: Path) -> Any:
    """The content of a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
