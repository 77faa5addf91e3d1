"""The check at the end of an image's build: every shared library of Triton resolves, and both backends can be imported.

`check.py FOLDER` with the folder that has `bin/tritonserver` and `backends/`. Exit status 1 names all that is missing.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = ("numpy", "torch", "vllm", "psutil", "transformers", "tokenizers")
"""What our backends import, in the Python that Triton's stub embeds."""
FROM_THE_DRIVER = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvcuvid.so.1", "libnvidia-encode.so.1")
"""The container toolkit mounts these into a running container; no image has them."""


def main(folder: Path) -> int:
    """Print what is missing, and return the exit status."""
    missing = [*_libraries(_objects(folder)), *_modules(), *_stub(folder)]
    for line in missing:
        sys.stderr.write(f"missing: {line}\n")
    sys.stdout.write(f"{folder}: {len(missing)} things are missing\n")
    return 1 if missing else 0


def _objects(folder: Path) -> list[Path]:
    """Tritonserver, the stub, every backend, and vLLM's own extensions, which fail late and without a word."""
    stub = folder / "backends" / "python" / "triton_python_backend_stub"
    return [folder / "bin" / "tritonserver", stub, *sorted((folder / "backends").rglob("*.so*")), *_extensions()]


def _extensions() -> list[Path]:
    found = importlib.util.find_spec("vllm")
    return sorted(Path(found.origin).parent.glob("*.so")) if found and found.origin else []


def _libraries(objects: list[Path]) -> Iterator[str]:
    """By the dynamic linker's own answer. What a Python package brings along is loaded by that package."""
    brought = {path.name for root in sys.path for path in Path(root).rglob("*.so*")}
    for path in objects:
        for line in _ldd(path):
            name = line.split("=>")[0].strip()
            if "not found" in line and name not in brought and name not in FROM_THE_DRIVER:
                yield f"{name}, which {path} needs"


def _ldd(path: Path) -> list[str]:
    searched = os.pathsep.join([str(path.parent), os.environ.get("LD_LIBRARY_PATH", "")])
    environment = {**os.environ, "LD_LIBRARY_PATH": searched}
    return subprocess.run(
        ["ldd", str(path)], capture_output=True, text=True, check=False, env=environment
    ).stdout.splitlines()


def _modules() -> Iterator[str]:
    for name in MODULES:
        if importlib.util.find_spec(name) is None:
            yield f"the Python package {name}"


def _stub(folder: Path) -> Iterator[str]:
    stub = folder / "backends" / "python" / "triton_python_backend_stub"
    if not stub.is_file():
        yield str(stub)
    elif stub.stat().st_mode & 0o555 != 0o555:
        yield f"the right for everybody to run {stub}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
