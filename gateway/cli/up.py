"""`triton-gateway up`: sets up a clean checkout and serves it until Ctrl-C."""

import json
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gateway import defaults
from gateway.cli import hub_model, ports
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

_LISTING_S = 10.0


@dataclass(frozen=True)
class UpOptions:
    """The options of the command line."""

    addresses: Addresses
    workers: int = defaults.WORKERS
    verbose: bool = False
    repositories: tuple[Path, ...] = ()
    demonstration: bool = True
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
    _check_gpus(layout, options)
    set_up(layout, stop, demonstration=options.demonstration)
    with in_use(layout.use_lock):
        _check(options)  # check again, because set-up may have taken minutes
        if options.model:
            hub_model.prepare(layout, options.model, stop, demonstration=options.demonstration)
        _serve(layout, options, stop, started)


def _serve(layout: Layout, options: UpOptions, stop: threading.Event, started: float) -> None:
    with ExitStack() as stack:
        port = options.addresses.triton_grpc_port
        at = stack.enter_context(endpoint.on_socket()) if port is None else endpoint.on_port(port)
        repositories = tuple(map(str, options.all_repositories(layout)))
        stack.enter_context(endpoint.published(layout.running, endpoint.Running(at.settings, repositories)))
        hooks = Hooks(
            ask_readiness=partial(readiness.ask, options.addresses.reachable_host, options.addresses.port),
            on_first_ready=lambda: _announce(options, layout, time.monotonic() - started),
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
        Service(reconciler_program(layout, at, repositories), LogFile(layout.logs / "models.log")),
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


def _announce(options: UpOptions, layout: Layout, seconds: float) -> None:
    """Print what is served, and how to use it."""
    addresses = options.addresses
    url = addresses.url
    models = _models(addresses)
    say("")
    say(f"Ready after {seconds:.0f} s: {url}/v1")
    say(f"Models: {', '.join(models) if models else 'ask /v1/models with one of your keys'}")
    say("Try:")
    say(f"  {try_it(url, models)}")
    say(
        f"Metrics: {url}/metrics, Triton's http://127.0.0.1:{addresses.triton_metrics_port}/metrics. Logs: {layout.logs}"
    )
    say("Ctrl-C stops everything.")


def _models(addresses: Addresses) -> list[str] | None:
    """The model names. Each worker discovers the models separately, so a worker may know none in the first seconds."""
    deadline = time.monotonic() + _LISTING_S
    while True:
        models = readiness.served_models(addresses.reachable_host, addresses.port)
        if models != [] or time.monotonic() > deadline:
            return models
        time.sleep(0.2)


def try_it(url: str, models: list[str] | None) -> str:
    """A curl command that streams an answer, with a key if the gateway requires one."""
    chat = [model for model in models or () if "instruct" in model or "chat" in model]
    model = (chat or models or ["smollm2-135m-instruct"])[0]
    key = "" if models is not None else '-H "Authorization: Bearer $KEY" '
    message = {"role": "user", "content": "What is the capital of France?"}
    body = json.dumps({"model": model, "stream": True, "messages": [message]})
    return f"curl -N {url}/v1/chat/completions {key}-H 'Content-Type: application/json' -d '{body}'"
