"""What is compared: each arm answers `/v1/completions` over HTTP, but for AsyncLLM alone, which has no server.

    product       gateway, Triton, vllm_custom: a session for each gateway worker
    official      gateway, Triton, and a backend that sends as NVIDIA's does (one_by_one.py)
    vllm serve    vLLM's own server
    AsyncLLM      the engine of all of them in a process of its own, without any server: what could be had at most

All have engines with the same arguments, on the same GPU, at the same time: an engine that nobody asks waits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.gpu.gather import MODEL
from benchmarks.gpu.programs import Program, ask_capital, start, wait_for
from benchmarks.processes import free_ports
from benchmarks.system import LOAD_ALL, RunLayout, unlocked
from gateway import defaults
from gateway.cli.installation import of_checkout
from gateway.cli.layout import Layout
from gateway.cli.supervise.programs import Addresses, gateway_program, triton_program

_START_LIMIT_S = 240.0
_LOAD_LIMIT_S = 150.0
_PATH = "/v1/completions"
_CONFIG = """backend: "{backend}"
instance_group [ {{ kind: KIND_MODEL count: 1 }} ]
parameters {{ key: "EXECUTION_ENV_PATH" value: {{ string_value: "{environment}" }} }}
"""
_QUIET = {"TRITON_GATEWAY_LOG_LEVEL": "warning", "TRITON_GATEWAY_MAX_IN_FLIGHT": "4096"}


class Arm(Protocol):
    """One of those that are compared."""

    @property
    def name(self) -> str: ...
    @property
    def programs(self) -> Sequence[Program]: ...
    def load(self, streams: int, requests: int) -> dict[str, Any]:
        """So many requests, `streams` of them at a time; the figures of client.c. Raises RuntimeError when one fails."""
        ...


@dataclass(frozen=True)
class Server:
    """An arm behind HTTP."""

    name: str
    port: int
    programs: Sequence[Program]
    client: Path
    bodies: Path

    def check(self) -> str:
        """What the model says, which has to be right. Raises RuntimeError."""
        said = ask_capital(self.port, MODEL)
        if "Paris" not in said:
            raise RuntimeError(f"{self.name}: the capital of France is {said!r}")
        return said

    def load(self, streams: int, requests: int) -> dict[str, Any]:
        command = [self.client, str(self.port), str(streams), str(requests), _PATH, self.bodies]
        done = subprocess.run(command, capture_output=True, timeout=_LOAD_LIMIT_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {done.stderr.decode()}")
        seen: dict[str, Any] = json.loads(done.stdout)
        if seen["errors"]:
            raise RuntimeError(f"{self.name}: {seen['errors']} of {requests} failed: {done.stderr.decode()}")
        return seen


@dataclass(frozen=True)
class Alone:
    """AsyncLLM, told by a line what to do (engine_alone.py)."""

    name: str
    programs: Sequence[Program]

    def load(self, streams: int, requests: int) -> dict[str, Any]:
        process = self.programs[0].process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{self.name} has no pipes")
        process.stdin.write(f"{streams} {requests}\n".encode())
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(self.programs[0].last_words())
        return json.loads(line)


@dataclass(frozen=True)
class Workshop:
    """Starts the arms from the environments of the set-up. `arguments` are the engines'; `stack` ends what was started."""

    layout: Layout
    folder: Path
    arguments: Mapping[str, Any]
    device: str
    bodies: Path
    client: Path
    stack: ExitStack

    def vllm_serve(self, processes: int) -> Server:
        """vLLM's own server, with so many API processes (its own default is one)."""
        [port] = free_ports(1)
        name = f"vllm serve, {processes} API processes" if processes > 1 else "vllm serve"
        vllm = self.layout.environment("vllm_custom") / "bin" / "vllm"
        options = ["--served-model-name", MODEL, "--host", "127.0.0.1", "--port", str(port)]
        options += ["--uvicorn-log-level", "warning", "--api-server-count", str(processes)]
        command = [vllm, "serve", self._model, *options, *_flags(self.arguments)]
        program = self._start(name, command, self._environment())
        wait_for(f"http://127.0.0.1:{port}/health", [program], _START_LIMIT_S)
        return self._server(name, port, [program])

    def triton(self, name: str, backend: str) -> tuple[Program, int]:
        """A Triton with one model, and its gRPC port."""
        port, metrics_port = free_ports(2)
        layout = self._triton_layout(name, backend)
        program = triton_program(
            of_checkout(layout, defaults.state_dir()),
            unlocked(port),
            Addresses(triton_metrics_port=metrics_port),
            [layout.model_repository],
        )
        environment = {**program.environment, **self._environment(program.environment)}
        # A later option wins: two Tritons at a time must not share their shared memory's names.
        regions = f"--backend-config={backend},shm-region-prefix-name=bench_{os.getpid()}_{backend}_"
        started = self._start(name, [*program.command, *LOAD_ALL, regions], environment)
        wait_for(f"http://127.0.0.1:{metrics_port}/metrics", [started], _START_LIMIT_S)
        return started, port

    def gateway(self, name: str, triton: tuple[Program, int], workers: int, travel: str) -> Server:
        """A gateway before that Triton."""
        [port] = free_ports(1)
        server, grpc_port = triton
        program = gateway_program(
            of_checkout(self.layout, defaults.state_dir()), Addresses(port=port), unlocked(grpc_port), workers
        )
        environment = {**program.environment, **_QUIET, "TRITON_GATEWAY_TRAVEL": travel}
        environment["PYTHONPATH"] = str(self.layout.root)
        started = self._start(name, program.command, environment)
        wait_for(f"http://127.0.0.1:{port}/readyz", [started, server], _START_LIMIT_S)
        return self._server(name, port, [started, server])

    def alone(self) -> Alone:
        """AsyncLLM in a process of its own."""
        script = Path(__file__).with_name("engine_alone.py")
        settings = self.folder / "engine_alone.json"
        settings.write_text(json.dumps({"model": str(self._model), **self.arguments}))
        command = [self.layout.python("vllm_custom"), "-P", script, settings, self.bodies]
        program = self._start("AsyncLLM", command, self._environment(), piped=True)
        if program.process.stdout is None or program.process.stdout.readline() != b"ready\n":
            raise RuntimeError(program.last_words())
        return Alone("AsyncLLM", [program])

    def _start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], *, piped: bool = False
    ) -> Program:
        program = start(name, command, self.folder, environment, piped=piped)
        self.stack.callback(program.stop)
        return program

    @property
    def _model(self) -> Path:
        return self.layout.models / MODEL

    def _server(self, name: str, port: int, programs: Sequence[Program]) -> Server:
        return Server(name, port, programs, self.client, self.bodies)

    def _environment(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        given = given or os.environ
        programs = self.layout.environment("vllm_custom") / "bin"
        return {
            **given,
            "PATH": f"{programs}{os.pathsep}{given.get('PATH', '')}",
            "CUDA_VISIBLE_DEVICES": self.device,
            "VLLM_USE_FLASHINFER_SAMPLER": "0",  # the wheels bring no flashinfer
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONNOUSERSITE": "1",
        }

    def _triton_layout(self, name: str, backend: str) -> Layout:
        layout = RunLayout(self.layout.root, self.folder / f"triton-{name.replace(' ', '-')}")
        shutil.copytree(self.layout.backends / "python", layout.backends / "python")
        (layout.backends / "vllm_custom").symlink_to(self.layout.root / "triton_backend" / "vllm_custom")
        official = layout.backends / "one_by_one"
        official.mkdir()
        shutil.copy2(Path(__file__).with_name("one_by_one.py"), official / "model.py")
        version = layout.model_repository / MODEL / "1"
        version.mkdir(parents=True)
        environment = self.layout.environment("vllm_custom").resolve()
        (version.parent / "config.pbtxt").write_text(_CONFIG.format(backend=backend, environment=environment))
        (version / "model.json").write_text(json.dumps({"model": str(self._model), **self.arguments}))
        return layout


def cpu(arm: Arm) -> dict[str, float]:
    """CPU seconds of each kind of process that the arm consists of."""
    total: dict[str, float] = {}
    for program in arm.programs:
        for kind, seconds in program.cpu().items():
            total[kind] = total.get(kind, 0.0) + seconds
    return total


def _flags(arguments: Mapping[str, Any]) -> list[str]:
    """Engine arguments as `vllm serve` wants them."""
    flags: list[str] = []
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{option}" if value else f"--no-{option}")
        else:
            flags += [f"--{option}", value if isinstance(value, str) else json.dumps(value)]
    return flags
