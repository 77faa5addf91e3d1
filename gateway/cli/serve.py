"""`triton-gateway serve`: runs only the gateway, for a Triton that runs elsewhere."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout

_NEEDED = ("fastapi", "uvicorn", "tritonclient", "tokenizers")


@dataclass(frozen=True)
class ServeOptions:
    """The options of the command line; None leaves a value to the environment and the file."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    triton: str | None = None
    config: Path | None = None


def serve(layout: Layout, options: ServeOptions) -> None:
    """Replace this process with the gateway. Does not return."""
    python = choose_python(layout)
    os.execve(python, [python, "-m", "gateway"], environment(layout, options, os.environ))  # noqa: S606 - no shell


def choose_python(layout: Layout) -> str:
    """This Python if the gateway is installed in it, otherwise that of the gateway's environment."""
    if all(importlib.util.find_spec(name) for name in _NEEDED):
        return sys.executable
    python = layout.python("gateway")
    if python.exists():
        return str(python)
    raise Problem(
        f"{sys.executable} lacks what the gateway needs, and {layout.environment('gateway')} is not made yet.",
        "make setup; or pip install the project with requirements/gateway-py3*.txt.",
    )


def environment(layout: Layout, options: ServeOptions, inherited: Mapping[str, str]) -> dict[str, str]:
    """The settings as the gateway reads them; options of the command line win."""
    said = {
        "TRITON_GATEWAY_HOST": options.host,
        "TRITON_GATEWAY_PORT": options.port,
        "TRITON_GATEWAY_WORKERS": options.workers,
        "TRITON_GATEWAY_TRITON_URLS": options.triton,
        "TRITON_GATEWAY_CONFIG_FILE": options.config,
    }
    given = {name: str(value) for name, value in said.items() if value is not None}
    return with_package(layout.root, {**inherited, **given})


def run_module(
    layout: Layout, module: str, *arguments: str, settings: Mapping[str, str], timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of the gateway where its libraries are, to its end. Raises subprocess.TimeoutExpired."""
    return subprocess.run(
        [choose_python(layout), "-m", module, *arguments],
        env=with_package(layout.root, settings),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def with_package(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """With this, Python finds the package from any working directory, so relative paths in the settings stay valid, and
    imports nothing that lies there."""
    path = os.pathsep.join(part for part in (str(root), environment.get("PYTHONPATH")) if part)
    return {**environment, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
