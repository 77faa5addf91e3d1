"""`triton-gateway run`: serves with a Triton that is installed, as in our images. Nothing is set up."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway import defaults
from gateway.cli import hub_model
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.gpus import nvidia_smi, trouble
from gateway.cli.gpus.nvidia_smi import Report
from gateway.cli.installation import Installation, link_assets, of_image
from gateway.cli.layout import Layout
from gateway.cli.stack import StackOptions, run_stack
from gateway.cli.supervise.endpoint import shared_secret
from gateway.cli.supervise.health import LOAD_TIMEOUT_S
from gateway.cli.supervise.programs import Addresses
from gateway.repository.folders import find_models

TRITONSERVER: Final = Path("/opt/tritonserver/bin/tritonserver")
BACKENDS: Final = Path("/opt/tritonserver/backends")


@dataclass(frozen=True)
class RunOptions:
    """The options of the command line. `demonstration` is a repository that is served while the others are empty.
    `secret_file` holds what a gateway elsewhere needs to ask Triton for its models; it is made if it is missing.
    With `vllm_python`, the variable MODEL names a model of the hub, which is written into the first repository."""

    addresses: Addresses
    repositories: tuple[Path, ...]
    tritonserver: Path = TRITONSERVER
    backends: Path = BACKENDS
    demonstration: Path | None = None
    secret_file: Path | None = None
    vllm_python: Path | None = None
    cuda: bool = False
    workers: int = 1
    verbose: bool = False
    load_timeout_s: float = LOAD_TIMEOUT_S
    state_dir: Path = field(default_factory=defaults.state_dir)


def run(layout: Layout, options: RunOptions, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises a Problem if it can't begin, can't go on, or has lost its GPU."""
    started = time.monotonic()
    for problem in _obstacles(options):
        raise problem
    if options.vllm_python:
        repository = options.repositories[0]
        hub_model.prepare_in_image(options.vllm_python, layout.root, repository, stop, cuda=options.cuda)
    installation = of_image(layout, options.tritonserver, options.backends, options.state_dir, cuda=options.cuda)
    stack = StackOptions(
        options.addresses,
        _repositories(installation, options),
        started,
        workers=options.workers,
        verbose=options.verbose,
        load_timeout_s=options.load_timeout_s,
        repository_secret=shared_secret(options.secret_file) if options.secret_file else None,
        find_obstacle=lost_gpu if options.cuda else lambda: None,
    )
    run_stack(layout, installation, stack, stop)


def lost_gpu() -> Problem | None:
    """What keeps this container from its GPU. Only a new start of the container gives it back."""
    return next(iter(_gpu_problems(nvidia_smi.ask())), None)


def _obstacles(options: RunOptions) -> Iterator[Problem]:
    if not options.tritonserver.is_file():
        fix = "start this in one of our images, or name it: --tritonserver."
        yield Problem(f"There is no tritonserver at {options.tritonserver}.", fix)
    for repository in options.repositories:
        if not repository.is_dir():
            fix = "mount or make the folder that holds a folder for each model."
            yield Problem(f"The model repository {repository} is no folder.", fix)
    if options.cuda:
        yield from _gpu_problems(nvidia_smi.ask())


def _gpu_problems(report: Report) -> list[Problem]:
    """Also a container that was given no GPU, which `trouble` does not count as one."""
    if report.gpus:
        return []
    fix = (
        "install the NVIDIA Container Toolkit on the host (nvidia-ctk runtime configure), or use compose.cpu.yaml.\n"
        "docs/deploy.md has the other causes."
    )
    return trouble.find(report, {}) or [Problem("This container has no GPU.", fix)]


def _repositories(installation: Installation, options: RunOptions) -> tuple[Path, ...]:
    """Where the user's are empty, the demonstration is served; elsewhere only its `assets`, which the gateway needs."""
    names = {model.name for model in find_models(options.repositories)}
    if options.demonstration is None or "assets" in names:
        return options.repositories
    if not names:
        say(f"No model is in {', '.join(map(str, options.repositories))}: serving the demonstration models.")
        return (*options.repositories, options.demonstration)
    return (*options.repositories, link_assets(installation.folder / "assets_repository", options.demonstration))
