"""A real Triton and a gateway before it, from the environments of the set-up, for one measurement; with the replay engine,
or with the models of a repository that benchmarks/repository.py makes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from gateway.cli.layout import Layout, find_layout
from gateway.cli.supervise.programs import Addresses, gateway_program, triton_program

MODEL = "replay"
_CONFIG = """backend: "vllm_custom"
instance_group [ {{ kind: KIND_MODEL count: 1 }} ]
parameters {{ key: "EXECUTION_ENV_PATH" value: {{ string_value: "{environment}" }} }}
"""
_READY_LIMIT_S = 60.0


@dataclass(frozen=True)
class RunLayout(Layout):
    """The checkout's layout with a backend directory and a model repository of this run, in `folder`."""

    folder: Path = Path()

    @property
    def backends(self) -> Path:
        return self.folder / "backends"

    @property
    def model_repository(self) -> Path:
        return self.folder / "repository"


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, user and system, that each part has used since it started."""

    gateway: float
    triton: float
    stub: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.gateway - other.gateway, self.triton - other.triton, self.stub - other.stub)

    @property
    def total(self) -> float:
        return self.gateway + self.triton + self.stub


@dataclass
class System:
    """What runs. `port` is the gateway's."""

    port: int
    grpc_port: int
    triton: psutil.Process
    gateway: psutil.Process
    folder: Path

    def cpu(self) -> Cpu:
        stubs = [child for child in self.triton.children() if "stub" in child.name()]
        return Cpu(_used(_family(self.gateway)), _used([self.triton]), _used(stubs))

    def memory(self) -> int:
        """Bytes that the gateway's processes hold in memory."""
        return sum(process.memory_info().rss for process in _family(self.gateway))


@contextmanager
def system(
    script: Sequence[dict[str, Any]], *, folder: Path, gateway_environment: dict[str, str] | None = None
) -> Generator[System, None, None]:
    """Triton and the gateway, both ready; ended with the block. `folder` is for what they need and write."""
    layout = RunLayout(find_layout().root, folder)
    write_backends(layout)
    _write_repository(layout, script)
    with serving(layout, gateway_environment=gateway_environment) as running:
        yield running


@contextmanager
def serving(
    layout: RunLayout,
    *,
    gateway_environment: dict[str, str] | None = None,
    triton_environment: dict[str, str] | None = None,
    ready_limit_s: float = _READY_LIMIT_S,
) -> Generator[System, None, None]:
    """Triton and the gateway with what the layout's repository and backend directory hold; ended with the block."""
    folder = layout.folder
    port, grpc_port, metrics_port = free_ports(3)
    addresses = Addresses(port=port, triton_grpc_port=grpc_port, triton_metrics_port=metrics_port)
    quiet = {"TRITON_GATEWAY_LOG_LEVEL": "warning", "TRITON_GATEWAY_MAX_IN_FLIGHT": "4096"}
    triton = gateway = None
    try:
        triton = _start(triton_program(layout, addresses), folder / "triton.log", triton_environment or {})
        gateway = _start(
            gateway_program(layout, addresses, 1), folder / "gateway.log", quiet | (gateway_environment or {})
        )
        _wait_ready(port, [triton, gateway], folder, ready_limit_s)
        yield System(port, grpc_port, psutil.Process(triton.pid), psutil.Process(gateway.pid), folder)
    finally:
        for process in (gateway, triton):
            if process is not None:
                _stop(process)
        for region in Path("/dev/shm").glob(f"triton_gateway_{os.getpid()}_*"):
            region.unlink(missing_ok=True)


@contextmanager
def work_folder() -> Generator[Path, None, None]:
    with tempfile.TemporaryDirectory(prefix="triton-gateway-bench-") as name:
        yield Path(name)


def write_backends(layout: RunLayout) -> None:
    """Triton's Python backend, and links to ours."""
    shutil.rmtree(layout.backends, ignore_errors=True)
    shutil.copytree(Path(layout.cache) / "backends" / "python", layout.backends / "python")
    for name in ("vllm_custom", "pytorch"):
        (layout.backends / name).symlink_to(layout.root / "triton_backend" / name)


def _write_repository(layout: RunLayout, script: Sequence[dict[str, Any]]) -> None:
    version = layout.model_repository / MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    environment = layout.environment("vllm_custom").resolve()
    (version.parent / "config.pbtxt").write_text(_CONFIG.format(environment=environment))
    weights = layout.models / "smollm2-135m-instruct"
    document = {"engine": "replay", "model": str(weights), "max_model_len": 1_000_000, "script": list(script)}
    (version / "model.json").write_text(json.dumps(document))


def _start(program: Any, log: Path, more: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {**program.environment, **more, "PYTHONPATH": str(find_layout().root)}
    with log.open("wb") as output:
        return subprocess.Popen(
            program.command,
            env=environment,
            cwd=program.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_ready(port: int, processes: Sequence[subprocess.Popen[bytes]], folder: Path, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    logs = [f"--- {name}\n{(folder / name).read_text()[-3000:]}" for name in ("triton.log", "gateway.log")]
    sys.stderr.write("\n".join(logs))
    raise RuntimeError("the system did not get ready")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in psutil.wait_procs(family, timeout=3)[1]:
        left.kill()


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _used(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
