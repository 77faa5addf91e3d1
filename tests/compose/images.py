"""Images for the tests. No registry is asked: bases are made from Debian's packages and from what set-up has made, and then
the project's own Dockerfiles are built on them, unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gateway.cli.layout import Layout
from gateway.cli.setup import triton
from tests.compose.engine import Docker

PYTHON_BASE = "triton-gateway-test/python:3.11"
NVIDIA_BASE = "triton-gateway-test/tritonserver:vllm-python-py3"
GATEWAY = "triton-gateway-test/gateway"
TRITON = "triton-gateway-test/triton"
TRITON_CPU = "triton-gateway-test/triton-cpu"

_DEBIAN = "bookworm"
_PACKAGES = "python3,python3-pip,python3-venv,libpython3.11,ca-certificates"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def make_python_base(docker: Docker, folder: Path) -> None:
    """Debian with Python 3.11, in the place of `python:…-slim`, with pip's settings of this machine, where it builds."""
    if _is_there(docker, PYTHON_BASE):
        return
    root = folder / "root"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _DEBIAN, str(root)], check=True)
    shutil.copyfile(_AUTHORITIES, root / _AUTHORITIES.lstrip("/"))
    _copy_configuration(root)
    _import(docker, root, PYTHON_BASE)


def _import(docker: Docker, root: Path, tag: str) -> None:
    """An image of one layer, with pip's settings of this machine. The folder is removed."""
    archive = root.with_suffix(".tar")
    subprocess.run(["tar", "-C", str(root), "-c", "-f", str(archive), "."], check=True)
    shutil.rmtree(root)
    changes = [f"--change=ENV {name}={value}" for name, value in _settings().items()]
    docker.run("import", *changes, archive, tag)
    archive.unlink()


def _settings() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {"SSL_CERT_FILE": _AUTHORITIES, "PIP_CERT": _AUTHORITIES, **own}


def _copy_configuration(root: Path) -> None:
    """pip's files, and the folders of wheels that it looks into."""
    for file in (Path("/etc/pip.conf"), Path("/etc/xdg/pip")):
        target = root / str(file).lstrip("/")
        if file.is_dir():
            shutil.copytree(file, target, dirs_exist_ok=True)
        elif file.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    for place in os.environ.get("PIP_FIND_LINKS", "").split():
        if Path(place).is_dir():
            shutil.copytree(place, root / place.lstrip("/"), dirs_exist_ok=True)


def make_nvidia_base(docker: Docker, layout: Layout, folder: Path) -> None:
    """The layout of NVIDIA's image `…-vllm-python-py3`: Triton in /opt/tritonserver, vLLM and torch in the system's Python.

    Triton is that of the package, and vLLM is its build for the CPU.
    """
    if _is_there(docker, NVIDIA_BASE):
        return
    root = _unpack(docker, PYTHON_BASE, folder)
    _link_tree(triton.server(layout).parent, root / "opt" / "tritonserver" / "bin")
    _link_tree(layout.backends / "python", root / "opt" / "tritonserver" / "backends" / "python")
    _link_tree(triton.libraries(layout), root / "opt" / "libraries")
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = layout.environment("vllm_custom") / "lib" / minor / "site-packages"
    _link_tree(packages, root / "usr" / "local" / "lib" / minor / "dist-packages")
    whole = f"{NVIDIA_BASE}-whole"
    _import(docker, root, whole)
    context = folder / "nvidia"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {whole}\n"
        "RUN apt-get update && apt-get install --yes --no-install-recommends libnuma1\n"
        "ENV LD_LIBRARY_PATH=/opt/libraries\n"
        # As a root that has started the stub once leaves it.
        "RUN chmod 0100 /opt/tritonserver/backends/python/triton_python_backend_stub\n"
    )
    docker.run("build", "--quiet", "--tag", NVIDIA_BASE, context)


def _unpack(docker: Docker, image: str, folder: Path) -> Path:
    """An image's files in a folder: what is put together there and imported takes a third of the time of COPY."""
    archive, root = folder / "image.tar", folder / "root"
    container = docker.run("create", image, "true").strip()
    docker.run("export", "--output", archive, container)
    docker.run("rm", container)
    root.mkdir()
    subprocess.run(["tar", "-C", str(root), "-x", "-f", str(archive)], check=True)
    archive.unlink()
    return root


def build(docker: Docker, root: Path, dockerfile: str, tag: str, target: str = "", **arguments: str) -> None:
    """One of the project's Dockerfiles, on bases that are given as its arguments."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    stage = [f"--target={target}"] if target else []
    docker.run("build", "--quiet", "--file", root / "docker" / dockerfile, "--tag", tag, *stage, *given, root)


def _is_there(docker: Docker, image: str) -> bool:
    return bool(docker.run("images", "--quiet", image).strip())


def _link_tree(source: Path, target: Path) -> None:
    """A copy without copying."""
    shutil.copytree(source, target, copy_function=os.link, symlinks=True, dirs_exist_ok=True)
