"""Writes requirements/<name>-py3XX.txt from requirements/<name>.in: `make lock`.

uv resolves for the one platform that is supported and names one wheel for each package, so a lock has one hash a package
and nothing in it is built from source. `<name>.overrides` leaves packages out. The hashes of torch's CPU build come from
torch.txt. A `<name>-cuda.in` is resolved without the index of the CPU builds.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from gateway.cli.choose_python import MINORS
from gateway.cli.setup.environments import CUDA
from gateway.cli.setup.pip_failures import TORCH_CPU_INDEX

FOLDER = Path(__file__).parent
PLATFORM = "x86_64-manylinux_2_35"
# Locked after the other and with its versions, so that the tests run what is served.
FOLLOWS: dict[str, str] = {"dev": "gateway", "testtools": "dev"}
# Installed by the environment that the folder is used with, so not a second time in the folder.
PROVIDED: dict[str, frozenset[str]] = {"prepare": frozenset({"torch", "numpy"})}


def main() -> None:
    """Write every lock, or those named on the command line."""
    names = sys.argv[1:] or sorted((path.stem for path in FOLDER.glob("*.in")), key=_depth)
    for name in names:
        for minor in MINORS:
            target = FOLDER / f"{name}-py3{minor}.txt"
            target.write_text(_lock(name, minor))
            sys.stdout.write(f"{target.relative_to(FOLDER.parent)}\n")


def _depth(name: str) -> int:
    return 1 + _depth(FOLLOWS[name]) if name in FOLLOWS else 0


def _lock(name: str, minor: int) -> str:
    packages = [package for package in _resolve(name, minor) if package["name"] not in PROVIDED.get(name, ())]
    blocks = [_block(package) for package in packages]
    return f"# Written by `make lock` from requirements/{name}.in for Python 3.{minor}.\n" + "".join(blocks)


def _resolve(name: str, minor: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "pylock.toml"
        subprocess.run(_command(name, minor, resolved), check=True)
        return tomllib.loads(resolved.read_text())["packages"]


def _command(name: str, minor: int, resolved: Path) -> list[str]:
    command = [sys.executable, "-m", "uv", "pip", "compile", str(FOLDER / f"{name}.in"), "--quiet"]
    command += ["--format", "pylock.toml", "--output-file", str(resolved)]
    command += ["--python-version", f"3.{minor}", "--python-platform", PLATFORM, "--only-binary", ":all:"]
    command += ["--index-strategy", "unsafe-best-match"]  # torch is on both indexes, torch+cpu on one
    if name in FOLLOWS:
        command += ["--constraint", str(FOLDER / f"{FOLLOWS[name]}-py3{minor}.txt")]
    overrides = FOLDER / f"{name}.overrides"
    if overrides.exists():
        command += ["--override", str(overrides)]
    index = "" if name.endswith(CUDA) else os.environ.get("TORCH_CPU_INDEX", TORCH_CPU_INDEX)
    return [*command, "--index", index] if index else command


def _block(package: dict[str, Any]) -> str:
    if package["name"] == "torch" and package["version"].endswith("+cpu"):
        return "".join(line for line in _lines(FOLDER / "torch.txt") if not line.startswith("#"))
    hashes = sorted(wheel["hashes"]["sha256"] for wheel in package["wheels"])
    return f"{package['name']}=={package['version']}" + "".join(f" \\\n    --hash=sha256:{h}" for h in hashes) + "\n"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


if __name__ == "__main__":
    main()
