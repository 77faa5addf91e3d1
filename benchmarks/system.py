"""A real Triton and gateways before it, from the environments of the set-up: with the replay engine, or with the models of
a repository that benchmarks/repository.py makes."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import Running, free_ports, listens, running, used, wait_for
from gateway import defaults
from gateway.cli.installation import of_checkout
from gateway.cli.layout import Layout, find_layout
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.endpoint import LOOPBACK, Endpoint
from gateway.cli.supervise.programs import Addresses, gateway_program, triton_program

MODEL = "replay"
PYTORCH_MODELS = ("all-minilm-l6-v2", "moderation", "assets")
TOKENIZER = "smollm2-135m-instruct"
MANY_TOKENS = 1_000_000
"""The context length of everything that only plays."""

LOAD_ALL = ("--model-control-mode=none", "--exit-on-error=true")
"""Options of a Triton that loads its whole repository by itself, and listens when it has. The last of a name counts."""

_QUIET = {"TRITON_GATEWAY_LOG_LEVEL": "warning", "TRITON_GATEWAY_MAX_IN_FLIGHT": "4096"}
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


@dataclass(frozen=True)
class Triton:
    """A tritonserver that runs. `port` is that of gRPC."""

    program: Running
    port: int

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.program.process.pid)

    def cpu(self, gateway: Gateway | None) -> Cpu:
        """Of tritonserver, of the processes that the models run in, and of a gateway before it."""
        stubs = self.process.children(recursive=True)
        return Cpu(gateway.program.cpu() if gateway else 0.0, used([self.process]), used(stubs))


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs."""

    program: Running
    port: int


@dataclass(frozen=True)
class System:
    """Both, ready. `port` is the gateway's."""

    server: Triton
    front: Gateway

    @property
    def port(self) -> int:
        return self.front.port

    @property
    def grpc_port(self) -> int:
        return self.server.port

    @property
    def triton(self) -> psutil.Process:
        return self.server.process

    @property
    def gateway(self) -> psutil.Process:
        return psutil.Process(self.front.program.process.pid)

    def cpu(self) -> Cpu:
        return self.server.cpu(self.front)


@contextmanager
def system(script: Sequence[Mapping[str, Any]], *, folder: Path) -> Generator[System, None, None]:
    """Triton with the model `replay`, and the gateway. `folder` is for what they need and write."""
    layout = RunLayout(find_layout().root, folder)
    write_backends(layout)
    add_script(layout, script)
    with serving(layout) as both:
        yield both


@contextmanager
def serving(
    layout: RunLayout,
    *,
    gateway_environment: Mapping[str, str] | None = None,
    triton_environment: Mapping[str, str] | None = None,
    ready_limit_s: float = _READY_LIMIT_S,
) -> Generator[System, None, None]:
    """Triton and the gateway with what the layout's repository and backend directory hold; ended with the block."""
    with (
        triton(layout, triton_environment, ready_limit_s=ready_limit_s) as server,
        gateway(server.port, layout.folder, settings=gateway_environment, ready_limit_s=ready_limit_s) as front,
    ):
        yield System(server, front)


@contextmanager
def triton(
    layout: RunLayout, environment: Mapping[str, str] | None = None, *, ready_limit_s: float = _READY_LIMIT_S
) -> Generator[Triton, None, None]:
    """The real tritonserver, with its models loaded."""
    port, metrics_port = free_ports(2)
    program = triton_program(
        of_checkout(layout, defaults.state_dir()),
        unlocked(port),
        Addresses(triton_metrics_port=metrics_port),
        [layout.model_repository],
    )
    variables = {**program.environment, **(environment or {})}
    command = [*program.command, *LOAD_ALL]
    with running("triton", command, layout.folder, environment=variables, at=program.folder) as started:
        try:
            wait_for(lambda: listens(port), [started], ready_limit_s)
            yield Triton(started, port)
        finally:
            started.stop()
            shared_memory.remove([])


@contextmanager
def gateway(
    triton_port: int,
    folder: Path,
    *,
    on: Sequence[int] | None = None,
    workers: int = 1,
    name: str = "gateway",
    settings: Mapping[str, str] | None = None,
    at: Path | None = None,
    ready_limit_s: float = _READY_LIMIT_S,
) -> Generator[Gateway, None, None]:
    """The gateway from the checkout, or from the source tree `at`, on the cores `on`, ready: every model of Triton's has
    answered."""
    [port] = free_ports(1)
    program = gateway_program(
        of_checkout(find_layout(), defaults.state_dir()), Addresses(port=port), unlocked(triton_port), workers
    )
    variables = {**program.environment, **_QUIET, **(settings or {})}
    with running(name, program.command, folder, on=on, environment=variables, at=at or program.folder) as started:
        wait_for(lambda: answers(port, "/readyz"), [started], ready_limit_s)
        yield Gateway(started, port)


def unlocked(port: int) -> Endpoint:
    """A Triton on loopback for whoever asks, as most are; `up` locks what manages its models."""
    return Endpoint({"grpc-address": LOOPBACK, "grpc-port": str(port)}, f"{LOOPBACK}:{port}")


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def write_backends(layout: RunLayout) -> None:
    """Triton's Python backend, and links to ours."""
    shutil.rmtree(layout.backends, ignore_errors=True)
    shutil.copytree(Path(layout.cache) / "backends" / "python", layout.backends / "python")
    for name in ("vllm_custom", "pytorch"):
        (layout.backends / name).symlink_to(layout.root / "triton_backend" / name)


def add_script(layout: RunLayout, script: Sequence[Mapping[str, Any]]) -> None:
    """The model `replay`, which plays the script."""
    version = layout.model_repository / MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    environment = layout.environment("vllm_custom").resolve()
    (version.parent / "config.pbtxt").write_text(_CONFIG.format(environment=environment))
    weights = layout.models / TOKENIZER
    document = {"engine": "replay", "model": str(weights), "max_model_len": MANY_TOKENS, "script": list(script)}
    (version / "model.json").write_text(json.dumps(document))


def add_models(layout: RunLayout, names: Sequence[str]) -> None:
    """Models of the checkout as they are. Their configurations name the environments by a place beside the repository."""
    (layout.folder / ".cache").symlink_to(layout.cache)
    for name in names:
        (layout.model_repository / name).symlink_to(layout.root / "model_repository" / name)
