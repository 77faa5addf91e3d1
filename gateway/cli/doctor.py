"""`triton-gateway doctor`: checks the machine, the set-up and the running programs, and says how to fix problems."""

import http.client
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gateway.cli import models, ports
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.gpus import nvidia_smi, trouble
from gateway.cli.gpus.findings import findings
from gateway.cli.layout import Layout
from gateway.cli.setup import checks, place
from gateway.cli.setup.lock import is_in_use
from gateway.cli.setup.plan import steps
from gateway.cli.supervise import readiness, shared_memory
from gateway.cli.supervise.endpoint import read_published
from gateway.cli.supervise.programs import Addresses

Finding = str | Problem
"""A sentence about something that works, or a Problem."""


def doctor(layout: Layout, addresses: Addresses, triton: str | None = None) -> bool:
    """Print all findings and return whether everything works. `triton` has the gRPC addresses of Tritons that run elsewhere;
    with it, only those are checked and no checkout is needed."""
    healthy = True
    if triton is not None or not layout.is_checkout:
        sections = [("Triton", elsewhere(layout, triton))]
    else:
        sections = [
            ("Machine", machine(layout)),
            ("GPU", gpus(layout)),
            ("Set-up", set_up(layout)),
            ("Running", running(addresses, layout)),
        ]
    for title, found in sections:
        say(title)
        for finding in found:
            healthy = healthy and not isinstance(finding, Problem)
            say(_line(finding))
    return healthy


def elsewhere(layout: Layout, triton: str | None) -> Iterator[Finding]:
    """Check the models of Tritons that this checkout did not start."""
    try:
        found = models.ask(layout, triton)
    except Problem as problem:
        yield problem
        return
    if not any(model.kind for model in found):
        yield Problem("Triton answers, and has no model that the gateway can serve", "see the reasons below")
    for model in found:
        if model.kind is not None:
            yield f"{model.name}: {model.kind}"
        else:
            yield f"{model.name} is not served: {model.reason or model.state}"


def machine(layout: Layout) -> Iterator[Finding]:
    """Check the machine, and where the checkout lies."""
    problems = [*checks.machine(), *filter(None, (place.path(layout), place.writable(layout)))]
    if not layout.cuda and (problem := checks.libnuma()):
        problems.append(problem)
    judged = "Python and its shared library, C library"
    if is_in_use(layout.use_lock):
        yield "memory and /dev/shm are not judged, because what runs from this checkout uses them"
    else:
        problems += filter(None, (checks.memory(), checks.shared_memory()))
        judged += ", memory and /dev/shm"
    yield from problems
    if not problems:
        yield f"{judged} will do"


def gpus(layout: Layout) -> Iterator[Finding]:
    """Check the GPUs, and whether the models fit."""
    report = nvidia_smi.ask()
    if is_in_use(layout.use_lock):
        # The models that run have the memory that they need.
        report = replace(report, gpus=tuple(replace(gpu, free_gb=None) for gpu in report.gpus))
    running = read_published(layout.running)
    repositories = [Path(folder) for folder in running.repositories] if running else [layout.model_repository]
    return findings(report, repositories, os.environ, cuda=layout.cuda, wsl=trouble.is_wsl())


def set_up(layout: Layout) -> Iterator[Finding]:
    """Check the results of the set-up."""
    everything = steps(layout, threading.Event())
    missing = [step for step in everything if not step.is_done()]
    if done := [step.name for step in everything if step not in missing]:
        yield f"in place: {', '.join(done)}"
    if not missing:
        return
    yield Problem(
        f"missing, unfinished or older than its inputs: {', '.join(step.name for step in missing)}",
        "make up (or make setup) makes these and skips the rest.",
    )
    if problem := checks.disk(layout.cache, sum(step.size_gb for step in missing)):
        yield problem


def running(addresses: Addresses, layout: Layout) -> Iterator[Finding]:
    """Check whether a gateway answers at its address."""
    host, port, at = addresses.reachable_host, addresses.port, addresses.url.removeprefix("http://")
    if left := shared_memory.left_by_the_dead():
        yield f"{len(left)} files in {shared_memory.FOLDER} of runs that were killed; the next `make up` removes them"
    try:
        status, _ = readiness.get(host, port, "/livez")
    except (OSError, http.client.HTTPException):
        yield ports.check(addresses.host, port, "PORT") or f"nothing runs on {at}; make up starts it"
        return
    if status != http.client.OK:
        yield Problem(
            f"what answers on {at} is not this gateway: {ports.holder_of(port) or 'a program of another user'}",
            "end it, or choose another port: make up PORT=…",
        )
        return
    yield _readiness(readiness.ask(host, port), at, layout)


def _readiness(answer: readiness.ProbeResult, address: str, layout: Layout) -> Finding:
    if answer.state is readiness.State.READY:
        return f"the gateway on {address} is ready: every required model has answered lately"
    return Problem(
        f"the gateway on {address} is not ready: {answer.reason}",
        f"`make up` restarts Triton by itself after a while; {layout.logs}/triton.log says what the models do.",
    )


def _line(finding: Finding) -> str:
    if isinstance(finding, Problem):
        return "  WRONG " + str(finding).replace("\n", "\n  ")
    return f"  ok    {finding}"
