"""Triton, what loads its models, and the gateway, kept running as one until somebody stops them."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.installation import Installation
from gateway.cli.ready import started_mark
from gateway.cli.supervise import endpoint, readiness
from gateway.cli.supervise.endpoint import Endpoint
from gateway.cli.supervise.health import LOAD_TIMEOUT_S
from gateway.cli.supervise.logfile import LogFile
from gateway.cli.supervise.programs import Addresses, gateway_program, reconciler_program, triton_program
from gateway.cli.supervise.service import Service
from gateway.cli.supervise.supervisor import Hooks, Supervisor

_LISTING_S = 10.0


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


def run_stack(installation: Installation, options: StackOptions, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises a Problem if it cannot go on."""
    with ExitStack() as stack:
        at = _endpoint(options) or stack.enter_context(endpoint.on_socket())
        repositories = tuple(map(str, options.repositories))
        stack.enter_context(endpoint.published(installation.running, endpoint.Running(at.settings, repositories)))
        mark = started_mark(installation.running)
        stack.callback(mark.unlink, missing_ok=True)
        mark.unlink(missing_ok=True)
        hooks = Hooks(
            ask_readiness=partial(readiness.ask, options.addresses.reachable_host, options.addresses.port),
            on_first_ready=partial(_note_start, installation, options, mark),
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


def _note_start(installation: Installation, options: StackOptions, mark: Path) -> None:
    mark.touch()
    _announce(installation, options)


def _announce(installation: Installation, options: StackOptions) -> None:
    """Print what is served, and how to use it."""
    addresses = options.addresses
    url = addresses.url
    models = _models(addresses)
    say("")
    say(f"Ready after {time.monotonic() - options.started:.0f} s: {url}/v1")
    say(f"Models: {', '.join(models) if models else 'ask /v1/models with one of your keys'}")
    say("Try:")
    say(f"  {try_it(url, models)}")
    metrics = f"http://127.0.0.1:{addresses.triton_metrics_port}/metrics"
    say(f"Metrics: {url}/metrics, Triton's {metrics}. Logs: {installation.logs}")
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
