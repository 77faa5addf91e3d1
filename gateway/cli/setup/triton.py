"""Unpacks the real tritonserver from its wheel, and creates its backend directory."""

import os
import shutil
import sys
from pathlib import Path

from gateway.cli.layout import Layout
from gateway.cli.setup import stamps
from gateway.cli.setup.pip import Pip

_LOCK = "triton.txt"
_OUR_BACKENDS = ("vllm_custom", "pytorch")
_ENVIRONMENT = "pb_exec_env_model.py.tar.gz"
"""Where Triton's Python backend looks for the environment of a backend that is written in Python; a folder will do."""
_SERVER = Path("pytriton", "tritonserver")


def server(layout: Layout) -> Path:
    """The tritonserver binary."""
    return layout.triton / _SERVER / "bin" / "tritonserver"


def libraries(layout: Layout) -> Path:
    """The shared libraries that the binary needs."""
    return layout.triton / "nvidia_pytriton.libs"


def triton_is_done(layout: Layout) -> bool:
    """Whether the wheel is unpacked."""
    return stamps.is_done(layout.triton, _triton_digest(layout))


def unpack(layout: Layout, installer: Pip) -> None:
    """Unpack the wheel beside the target, set the executable bits that pip drops, and move it into place."""
    partial = layout.triton.with_name("triton.partial")
    shutil.rmtree(partial, ignore_errors=True)
    installer.into_folder(partial, layout.requirements / _LOCK, "triton")
    for program in (partial / _SERVER / "bin" / "tritonserver", *_stubs(partial)):
        program.chmod(0o755)
    stamps.mark_done(partial, _triton_digest(layout))
    shutil.rmtree(layout.triton, ignore_errors=True)
    partial.rename(layout.triton)


def backends_are_done(layout: Layout) -> bool:
    """Whether the backend directory belongs to this Triton and this Python."""
    return stamps.is_done(layout.backends, _backends_digest(layout))


def make_backends(layout: Layout) -> None:
    """Triton's Python backend with the stub of this Python, and ours, each with its environment."""
    partial = layout.backends.with_name("backends.partial")
    shutil.rmtree(partial, ignore_errors=True)
    python = partial / "python"
    shutil.copytree(layout.triton / _SERVER / "backends" / "python", python)
    stub = layout.triton / _SERVER / "python_backend_stubs" / _minor() / "triton_python_backend_stub"
    shutil.copy2(stub, python)
    for name in _OUR_BACKENDS:
        targets = {
            "model.py": layout.root / "triton_backend" / name / "model.py",
            _ENVIRONMENT: layout.environment(name),
        }
        (partial / name).mkdir()
        for link, target in targets.items():
            (partial / name / link).symlink_to(os.path.relpath(target, layout.backends / name))
    stamps.mark_done(partial, _backends_digest(layout))
    shutil.rmtree(layout.backends, ignore_errors=True)
    partial.rename(layout.backends)


def _stubs(folder: Path) -> list[Path]:
    return sorted((folder / _SERVER / "python_backend_stubs").glob("*/triton_python_backend_stub"))


def _minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _triton_digest(layout: Layout) -> str:
    return stamps.digest([layout.requirements / _LOCK])


def _backends_digest(layout: Layout) -> str:
    return stamps.digest([_triton_digest(layout), _minor(), *_OUR_BACKENDS, _ENVIRONMENT])
