"""`triton-gateway serve`: the gateway alone, against a Triton elsewhere."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout

_NEEDED = ("fastapi", "uvicorn", "tritonclient", "tokenizers")


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says; None leaves it to the environment and the file."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    triton: str | None = None
    config: Path | None = None


def serve(layout: Layout, options: ServeOptions) -> None:
    """Become the gateway: does not return."""
    python = choose_python(layout)
    os.execve(python, [python, "-m", "gateway"], environment(layout, options, os.environ))  # noqa: S606 - no shell


def choose_python(layout: Layout) -> str:
    """This Python where the gateway is installed in it, else that of the gateway's environment."""
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
    """The settings as the gateway reads them: what the command line says wins."""
    said = {
        "TRITON_GATEWAY_HOST": options.host,
        "TRITON_GATEWAY_PORT": options.port,
        "TRITON_GATEWAY_WORKERS": options.workers,
        "TRITON_GATEWAY_TRITON_URLS": options.triton,
        "TRITON_GATEWAY_CONFIG_FILE": options.config,
    }
    # The package is found from any folder, so that relative paths in the settings mean what the user meant.
    path = os.pathsep.join(part for part in (str(layout.root), inherited.get("PYTHONPATH")) if part)
    given = {name: str(value) for name, value in said.items() if value is not None}
    return {**inherited, **given, "PYTHONPATH": path}
