"""Set the whole product up from a folder that gather.py has made; no network is asked.

    python3 -m benchmarks.gpu.install FOLDER

Run by a Python 3.12 that has pip, packaging, psutil, torch 2.11.0+cu130 and transformers, in a checkout of this project. It
makes the checkout's `.cache` as `make setup` does, with vLLM's CUDA build for the backend.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.gpu import environment
from benchmarks.gpu.gather import MODEL
from gateway.cli.layout import Layout, find_layout
from gateway.cli.setup import triton
from gateway.cli.setup.environments import Environments
from gateway.cli.setup.pip import Pip

CLIENT = "client"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    install(find_layout(), parser.parse_args().folder.resolve())
    return 0


def install(layout: Layout, folder: Path) -> None:
    """The environments beside each other, since each takes its time in unpacking."""
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=f"{folder / 'gateway'} {folder / 'triton'}")
    pip = Pip(Path(sys.executable), layout.logs, threading.Event())
    environments = Environments(layout, threading.Event())
    with ThreadPoolExecutor() as pool:
        steps = [
            pool.submit(_timed, "backend", lambda: _backend(layout, folder / "backend")),
            pool.submit(_timed, "gateway", lambda: environments.make("gateway", pip)),
            pool.submit(_timed, "triton", lambda: triton.unpack(layout, pip)),
        ]
        for step in steps:
            step.result()
    triton.make_backends(layout)
    shutil.copytree(folder / "model", layout.models / MODEL, dirs_exist_ok=True)
    client = layout.cache / CLIENT
    shutil.copy2(folder / CLIENT, client)
    client.chmod(0o755)


def _backend(layout: Layout, wheels: Path) -> None:
    missing = environment.make(layout.environment("vllm_custom"), wheels)
    if missing:
        sys.stdout.write(f"neither brought along nor here: {', '.join(sorted(missing))}\n")


def _timed(name: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
