"""What is measured in front of the sources: the gateway, and its peers, each in the environment that it is made for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import system, triton_source
from benchmarks.load import ENDLESS_TOKENS
from benchmarks.processes import Running, free_ports, running, wait_for
from benchmarks.sources import OPENING, OPENING_DIRECT, Pace, Source
from gateway.cli.layout import find_layout
from gateway.cli.setup.environments import Environments
from gateway.cli.setup.lock import only_one

OURS = "gateway"
OURS_DIRECT = "gateway, direct"
LITELLM, VLLM_ROUTER, SGLANG_ROUTER = "litellm", "vllm-router", "sglang-router"
RUST_ROUTERS = (VLLM_ROUTER, SGLANG_ROUTER)
PEERS = (*RUST_ROUTERS, LITELLM)

_LITELLM = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its own, instead of one from the network
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",  # it takes a source of one word for a model that loops
    # Without keys, like the others here: on loopback, for the minutes of a run.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


@dataclass(frozen=True)
class Subject:
    """One thing under measurement, ready. `slowness` shortens the runs of what would take too long: requests are divided
    by it. `longest`: tokens of an answer that is left before its end, which a peer may go on reading all the same.
    `opening`: the pace while its streams are opened."""

    name: str
    program: Running
    port: int
    model: str
    source: Source
    slowness: int = 1
    longest: int = ENDLESS_TOKENS
    opening: Pace = OPENING


@contextmanager
def gateway(
    source: Source, folder: Path, on: Sequence[int], *, workers: int = 1, name: str = OURS
) -> Generator[Subject, None, None]:
    """The gateway from the checkout, before a source that speaks Triton's protocol."""
    with system.gateway(source.port, folder, on=on, workers=workers, name=name) as started:
        yield Subject(name, started.program, started.port, triton_source.MODEL, source)


def direct(subject: Subject) -> Subject:
    """The same gateway, asked for the model that has no sessions."""
    return replace(subject, name=OURS_DIRECT, model=triton_source.DIRECT_MODEL, opening=OPENING_DIRECT)


@contextmanager
def peer(name: str, source: Source, folder: Path, on: Sequence[int]) -> Generator[Subject, None, None]:
    """One of PEERS before a source that speaks OpenAI's protocol. Raises Problem when its environment can't be made."""
    bin_folder = environment(f"bench-{name}") / "bin"
    port, metrics_port = free_ports(2)
    command, more, path = _COMMANDS[name](bin_folder, port, metrics_port, source.port, folder)
    with running(name, command, folder, on=on, environment=more) as started:
        wait_for(lambda: system.answers(port, path), [started, source.program], limit_s=90)
        subject = Subject(name, started, port, triton_source.MODEL, source)
        yield replace(subject, slowness=16, longest=400) if name == LITELLM else subject


def environment(name: str) -> Path:
    """An environment of the benchmarks, made from its lock when it is not there yet. Raises Problem."""
    layout, stop = find_layout(), threading.Event()
    environments = Environments(layout, stop)
    folder = layout.environment(name)
    if not environments.is_done(folder, name):
        with only_one(layout.set_up_lock, stop):
            environments.make(name, environments.installer())
    return folder


_Command = tuple[list[str | Path], Mapping[str, str], str]


def _router(module: str) -> Callable[[Path, int, int, int, Path], _Command]:
    def command(bin_folder: Path, port: int, metrics_port: int, source: int, _folder: Path) -> _Command:
        program: list[str | Path] = [bin_folder / "python", "-m", f"{module}.launch_router"]
        program += ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(metrics_port)]
        program += ["--worker-urls", f"http://127.0.0.1:{source}", "--policy", "round_robin"]
        program += ["--max-concurrent-requests", "4096"]
        return program, {"RUST_LOG": "error"}, "/health"

    return command


def _litellm(bin_folder: Path, port: int, _metrics_port: int, source: int, folder: Path) -> _Command:
    parameters = {
        "model": f"openai/{triton_source.MODEL}",
        "api_base": f"http://127.0.0.1:{source}/v1",
        "api_key": "none",
    }
    configuration = folder / "litellm.yaml"  # JSON is YAML
    configuration.write_text(
        json.dumps({"model_list": [{"model_name": triton_source.MODEL, "litellm_params": parameters}]})
    )
    program: list[str | Path] = [bin_folder / "litellm", "--config", configuration, "--host", "127.0.0.1"]
    return [*program, "--port", str(port), "--num_workers", "1"], _LITELLM, "/health/liveliness"


_COMMANDS: Mapping[str, Callable[[Path, int, int, int, Path], _Command]] = {
    VLLM_ROUTER: _router("vllm_router"),
    SGLANG_ROUTER: _router("sglang_router"),
    LITELLM: _litellm,
}
