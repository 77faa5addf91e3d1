"""Several workers, one of which dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.settings import ENV_PREFIX
from tests.fakes.openai import Gate, chat, eventually
from tests.fakes.triton import FakeTriton


@contextmanager
def two_workers(triton: FakeTriton) -> Generator[tuple[str, int], None, None]:
    """The URL and the process of a gateway with two of them, as `triton-gateway serve` runs it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "PORT": port,
        "WORKERS": 2,
        "TRITON_URLS": triton.address,
        "HEALTH_FRESH_S": 3600,
        "LOG_LEVEL": "warning",
    }
    environment = {**os.environ, **{ENV_PREFIX + name: str(value) for name, value in settings.items()}}
    process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment)
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def gauge(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def workers_of(supervisor: int) -> list[int]:
    """Its children that serve; another one of multiprocessing's only tidies up."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [
        int(child) for child in children if b"--multiprocessing-fork" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


@pytest.mark.timeout(90)
def test_dead_workers_leave_nothing_in_the_gauges() -> None:
    """What they had in work is gone with them; others take their place."""
    with FakeTriton() as triton, Gate(before=2) as gate, two_workers(triton) as (url, supervisor):
        eventually(lambda: answers(url), timeout_s=40)
        triton.script = gate
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=chat(stream=True), timeout=20) as response:
            events = response.iter_raw()
            next(events)
            assert gauge(url, "triton_gateway_in_flight") == 1
            for worker in workers_of(supervisor):
                os.kill(worker, signal.SIGKILL)
            eventually(lambda: answers(url) and gauge(url, "triton_gateway_in_flight") == 0, timeout_s=40)
