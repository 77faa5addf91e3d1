"""Gather what the machine with the GPU needs, on one that has a network: wheels, weights, the load client.

    .cache/envs/dev/bin/python -m benchmarks.gpu.gather FOLDER

Needs a C compiler, and the pip and the weights of `make setup`. The folder: `backend`, `gateway` and `triton` with wheels
for Python 3.12 on x86-64, `model` with SmolLM2-135M-Instruct, and `client`. About 700 MB; install.py makes the rest of it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from gateway.cli.layout import Layout, find_layout

MODEL = "smollm2-135m-instruct"
_GLIBC = (39, 35, 34, 31, 28, 27, 26, 24, 17, 12, 5)
"""The minor versions that wheels name; pip takes each only by name."""
_OLDER = ("manylinux2014", "manylinux2010", "manylinux1")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    layout = find_layout()
    for name, requirements in _requirements(layout).items():
        _download(layout.pip / "bin" / "python", folder / name, requirements)
    shutil.copytree(layout.models / MODEL, folder / "model", dirs_exist_ok=True)
    source = Path(__file__).with_name("client.c")
    # Linked statically, because it is to run on another system.
    subprocess.run(["cc", "-O2", "-static", "-o", folder / "client", source], check=True)
    return 0


def _requirements(layout: Layout) -> dict[str, Path]:
    return {
        "backend": Path(__file__).with_name("backend-py312.txt"),
        "gateway": layout.requirements / "gateway-py312.txt",
        "triton": layout.requirements / "triton.txt",
    }


def _download(python: Path, folder: Path, requirements: Path) -> None:
    platforms = [*(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC), *(f"{name}_x86_64" for name in _OLDER)]
    options = [option for platform in platforms for option in ("--platform", platform)]
    options += ["--python-version", "3.12", "--implementation", "cp", "--only-binary", ":all:", "--no-deps"]
    command = ["pip", "download", "--quiet", *options, "--dest", folder, "--requirement", requirements]
    subprocess.run([python, "-m", *command], check=True)


if __name__ == "__main__":
    sys.exit(main())
