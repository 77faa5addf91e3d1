"""`triton-gateway up`: sets up a clean checkout and serves it until Ctrl-C."""

import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway import defaults
from gateway.cli import hub_model, ports
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.findings import DEVELOPMENT, problems
from gateway.cli.installation import link_assets, of_checkout
from gateway.cli.layout import Layout
from gateway.cli.setup import checks, place
from gateway.cli.setup.lock import in_use
from gateway.cli.setup.plan import set_up
from gateway.cli.stack import StackOptions, run_stack
from gateway.cli.supervise import endpoint
from gateway.cli.supervise.programs import Addresses


@dataclass(frozen=True)
class UpOptions:
    """The options of the command line."""

    addresses: Addresses
    workers: int = defaults.WORKERS
    verbose: bool = False
    repositories: tuple[Path, ...] = ()
    demonstration: bool = True
    state_dir: Path = field(default_factory=defaults.state_dir)
    """Of what is wanted of the models; absolute."""
    model: str | None = None

    def all_repositories(self, layout: Layout) -> list[Path]:
        """One's own first, then the model of the hub, then those of the checkout; where these are left out, what the gateway
        needs of them."""
        hub = [hub_model.repository(layout, self.model)] if self.model else []
        rest = layout.model_repository if self.demonstration else layout.assets_repository
        return [*self.repositories, *hub, rest]


def up(layout: Layout, options: UpOptions, stop: threading.Event) -> None:
    """Check, set up, serve. Returns when `stop` is set; raises a Problem if it cannot continue."""
    started = time.monotonic()
    for problem in (place.path(layout), place.writable(layout)):
        if problem:
            raise problem
    _check(options)
    if not layout.cuda and (problem := checks.libnuma()):
        raise problem
    _check_gpus(layout, options)
    set_up(layout, stop, demonstration=options.demonstration)
    with in_use(layout.use_lock):
        _check(options)  # check again, because set-up may have taken minutes
        if options.model:
            hub_model.prepare(layout, options.model, stop, demonstration=options.demonstration)
        if not options.demonstration:
            link_assets(layout.assets_repository, layout.model_repository)
        stack = StackOptions(
            options.addresses,
            tuple(options.all_repositories(layout)),
            started,
            workers=options.workers,
            verbose=options.verbose,
        )
        run_stack(layout, of_checkout(layout, options.state_dir), stack, stop)


def _check(options: UpOptions) -> None:
    addresses = options.addresses
    wanted = [
        (addresses.host, addresses.port, "PORT"),
        (endpoint.LOOPBACK, addresses.triton_metrics_port, "TRITON_METRICS_PORT"),
    ]
    if addresses.triton_grpc_port is not None:
        wanted.append((endpoint.LOOPBACK, addresses.triton_grpc_port, "TRITON_GRPC_PORT"))
    if shared := ports.shared({setting: port for _, port, setting in wanted}):
        raise shared
    taken = (ports.check(*each) for each in wanted)
    missing = (_missing(repository) for repository in options.repositories)
    for problem in (checks.memory(), checks.shared_memory(), *taken, *missing):
        if problem:
            raise problem


def _missing(repository: Path) -> Problem | None:
    if repository.is_dir():
        return None
    return Problem(
        f"The model repository {repository} is no folder.", "give the folder that holds a folder for each model."
    )


def _check_gpus(layout: Layout, options: UpOptions) -> None:
    """Raise the first problem with the GPUs, before builds of gigabytes are fetched; or say why no GPU is used.

    With a ready environment, whose builds may be for another CUDA, a problem is only told.
    """
    report = nvidia_smi.ask()
    # Without the model of the hub, which is sized for the GPU later: what is there is from an earlier run.
    repositories = replace(options, model=None).all_repositories(layout)
    found = problems(report, repositories, os.environ, cuda=layout.cuda)
    if layout.cuda:
        for problem in found:
            if not layout.ready:
                raise problem
            say(f"Perhaps: {problem}")
        say("The backends run on the GPU (GPU=0 for the CPU).")
        say(DEVELOPMENT)
    for problem in found if not report.gpus else ():
        say(f"No GPU is used. {problem}")
