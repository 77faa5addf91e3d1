"""Triton, what loads its models, and the gateway, kept running as one until somebody stops them."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.cli.announce import announce
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.installation import Installation
from gateway.cli.layout import Layout
from gateway.cli.ready import started_mark
from gateway.cli.supervise import endpoint, readiness
from gateway.cli.supervise.endpoint import Endpoint
from gateway.cli.supervise.health import LOAD_TIMEOUT_S
from gateway.cli.supervise.logfile import LogFile
from gateway.cli.supervise.programs import Addresses, gateway_program, reconciler_program, triton_program
from gateway.cli.supervise.service import Service
from gateway.cli.supervise.supervisor import Hooks, Supervisor


@dataclass(frozen=True)
class StackOptions:
    """Where the programs listen and which models they serve. `started` is the clock when the command began.

    `find_obstacle` is asked before Triton starts again; what it finds ends everything, because a start would not help.
    """

    addresses: Addresses
    repositories: tuple[Path, ...]
    started: float
    workers: int = 1
    verbose: bool = False
    load_timeout_s: float = LOAD_TIMEOUT_S
    repository_secret: str | None = None
    find_obstacle: Callable[[], Problem | None] = lambda: None


def run_stack(layout: Layout, installation: Installation, options: StackOptions, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises a Problem if it cannot go on."""
    with ExitStack() as stack:
        at = _endpoint(options) or stack.enter_context(endpoint.on_socket())
        repositories = tuple(map(str, options.repositories))
        # `load` and `unload` may run in another shell, with other settings.
        settings = {**at.settings, "TRITON_GATEWAY_STATE_DIR": str(installation.state_dir)}
        stack.enter_context(endpoint.published(installation.running, endpoint.Running(settings, repositories)))
        mark = started_mark(installation.running)
        stack.callback(mark.unlink, missing_ok=True)
        mark.unlink(missing_ok=True)
        hooks = Hooks(
            ask_readiness=partial(readiness.ask, options.addresses.reachable_host, options.addresses.port),
            on_first_ready=partial(_note_start, layout, installation, options, at),
            verbose=options.verbose,
            load_timeout_s=options.load_timeout_s,
            find_obstacle=options.find_obstacle,
        )
        services = _services(installation, options, at)
        logs = ", ".join(f"{service.log.path}" for service in services)
        say(f"Starting Triton, what loads its models, and the gateway (logs: {logs})")
        try:
            Supervisor(*services, hooks, stop).run()
        finally:
            say("Stopped: no process and no shared memory is left.")


def _endpoint(options: StackOptions) -> Endpoint | None:
    port = options.addresses.triton_grpc_port
    if port is None:
        return None
    return endpoint.on_port(port, options.addresses.triton_host, options.repository_secret)


def _services(installation: Installation, options: StackOptions, at: Endpoint) -> tuple[Service, Service, Service]:
    programs = {
        "triton.log": triton_program(installation, at, options.addresses, options.repositories),
        "models.log": reconciler_program(installation, at, options.repositories),
        "gateway.log": gateway_program(installation, options.addresses, at, options.workers),
    }
    triton, reconciler, gateway = (
        Service(program, LogFile(installation.logs / log)) for log, program in programs.items()
    )
    return triton, reconciler, gateway


def _note_start(layout: Layout, installation: Installation, options: StackOptions, at: Endpoint) -> None:
    started_mark(installation.running).touch()
    announce(layout, options.addresses, at, installation.logs, time.monotonic() - options.started)
