"""`triton-gateway up`: sets up a clean checkout and serves it until Ctrl-C."""

import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway import defaults
from gateway.cli import ports
from gateway.cli.announce import announce
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.findings import DEVELOPMENT, problems
from gateway.cli.layout import Layout
from gateway.cli.setup import checks, place
from gateway.cli.setup.lock import in_use
from gateway.cli.setup.plan import set_up
from gateway.cli.supervise import endpoint, readiness
from gateway.cli.supervise.endpoint import Endpoint
from gateway.cli.supervise.logfile import LogFile
from gateway.cli.supervise.programs import Addresses, gateway_program, reconciler_program, triton_program
from gateway.cli.supervise.service import Service
from gateway.cli.supervise.supervisor import Hooks, Supervisor


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

    def all_repositories(self, layout: Layout) -> list[Path]:
        """One's own first, then that of the checkout; where that is left out, what the gateway needs of it."""
        return [*self.repositories, layout.model_repository if self.demonstration else layout.assets_repository]


def up(layout: Layout, options: UpOptions, stop: threading.Event) -> None:
    """Check, set up, serve. Returns when `stop` is set; raises a Problem if it cannot continue."""
    started = time.monotonic()
    for problem in (place.path(layout), place.writable(layout)):
        if problem:
            raise problem
    _check(options)
    _check_gpus(layout, options)
    set_up(layout, stop, demonstration=options.demonstration)
    with in_use(layout.use_lock):
        _check(options)  # check again, because set-up may have taken minutes
        _serve(layout, options, stop, started)


def _serve(layout: Layout, options: UpOptions, stop: threading.Event, started: float) -> None:
    with ExitStack() as stack:
        port = options.addresses.triton_grpc_port
        at = stack.enter_context(endpoint.on_socket()) if port is None else endpoint.on_port(port)
        repositories = tuple(map(str, options.all_repositories(layout)))
        # `load` and `unload` may run in another shell, with other settings.
        settings = {**at.settings, "TRITON_GATEWAY_STATE_DIR": str(options.state_dir)}
        stack.enter_context(endpoint.published(layout.running, endpoint.Running(settings, repositories)))
        hooks = Hooks(
            ask_readiness=partial(readiness.ask, options.addresses.reachable_host, options.addresses.port),
            on_first_ready=lambda: announce(layout, options.addresses, at, time.monotonic() - started),
            verbose=options.verbose,
        )
        if not options.demonstration:
            _link_assets(layout)
        services = _services(layout, options, at)
        logs = ", ".join(f"{service.log.path}" for service in services)
        say(f"Starting Triton, what loads its models, and the gateway (logs: {logs})")
        try:
            Supervisor(*services, hooks, stop).run()
        finally:
            say("Stopped: no process and no shared memory is left.")


def _link_assets(layout: Layout) -> None:
    link = layout.assets_repository / "assets"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(layout.model_repository / "assets")


def _services(layout: Layout, options: UpOptions, at: Endpoint) -> tuple[Service, Service, Service]:
    repositories = options.all_repositories(layout)
    return (
        Service(
            triton_program(layout, at, options.addresses.triton_metrics_port, repositories),
            LogFile(layout.logs / "triton.log"),
        ),
        Service(reconciler_program(layout, at, repositories, options.state_dir), LogFile(layout.logs / "models.log")),
        Service(gateway_program(layout, options.addresses, at, options.workers), LogFile(layout.logs / "gateway.log")),
    )


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
    found = problems(report, options.all_repositories(layout), os.environ, cuda=layout.cuda)
    if layout.cuda:
        for problem in found:
            if not layout.ready:
                raise problem
            say(f"Perhaps: {problem}")
        say("The backends run on the GPU (GPU=0 for the CPU).")
        say(DEVELOPMENT)
    for problem in found if not report.gpus else ():
        say(f"No GPU is used. {problem}")
