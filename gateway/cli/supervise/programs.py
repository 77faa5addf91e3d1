"""The command lines and environments of the three supervised programs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import defaults
from gateway.cli.layout import Layout
from gateway.cli.setup import interpreter, triton
from gateway.cli.setup.weights import offline
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.endpoint import LOOPBACK, Endpoint
from gateway.cli.supervise.service import Program

_GATEWAY_GRACE_S = 5.0
_TRITON_EXIT_TIMEOUT_S = 3
_RECONCILER_GRACE_S = 1.0
_TRITON_GRACE_S = 7.0
"""Together with the other grace periods and the time for killing, below 15 s."""

_BACKENDS = ("python", "vllm_custom", "pytorch")
"""All of these run in Triton's Python stub. Without our setting, each would name its shared memory with its own prefix."""

_KVCACHE_GB = "1"
_TRITON_OPTIONS: dict[str, str] = {
    # It starts empty and listens at once; the reconciler has it load what is wanted, and a model that fails harms no other.
    "model-control-mode": "explicit",
    "exit-on-error": "false",
    "strict-readiness": "true",
    "exit-timeout-secs": str(_TRITON_EXIT_TIMEOUT_S),
    # This release lacks all later security fixes, so only gRPC and metrics are enabled, and only on loopback.
    "allow-http": "false",
    "allow-sagemaker": "false",
    "allow-vertex-ai": "false",
    "allow-grpc": "true",
    "allow-metrics": "true",
    "metrics-address": LOOPBACK,
    "allow-gpu-metrics": "false",
    # The gateway keeps idle connections alive with pings; by default Triton treats these as an attack.
    "grpc-http2-min-recv-ping-interval-without-data": "5000",
    "grpc-http2-max-ping-strikes": "0",
    "grpc-keepalive-permit-without-calls": "1",
}


@dataclass(frozen=True)
class Addresses:
    """The addresses to listen on. Without a gRPC port Triton listens on a Unix socket, else on loopback: from other machines
    it can be reached only through the gateway."""

    host: str = LOOPBACK
    port: int = defaults.PORT
    triton_grpc_port: int | None = None
    triton_metrics_port: int = defaults.TRITON_METRICS_PORT

    @property
    def reachable_host(self) -> str:
        """An address at which this machine reaches the gateway, even if the gateway listens on all addresses.

        A gateway on `::` listens on IPv4's addresses too, and a machine may have IPv4 alone.
        """
        return LOOPBACK if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - compared, not bound to

    @property
    def url(self) -> str:
        """The gateway's URL on this machine, without a path."""
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def triton_program(layout: Layout, endpoint: Endpoint, metrics_port: int, repositories: Sequence[Path]) -> Program:
    """The real tritonserver, with these model repositories."""
    options = {
        **_TRITON_OPTIONS,
        **endpoint.options,
        "backend-directory": str(layout.backends),
        "metrics-port": str(metrics_port),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags += [f"--model-repository={repository}" for repository in repositories]
    flags += [f"--backend-config={name},shm-region-prefix-name={shared_memory.prefix()}" for name in _BACKENDS]
    command = [str(triton.server(layout)), *flags]
    return Program("Triton", command, _triton_environment(layout, repositories), layout.root, _TRITON_GRACE_S)


def reconciler_program(layout: Layout, endpoint: Endpoint, repositories: Sequence[Path]) -> Program:
    """What has Triton load the models of these repositories."""
    command = [layout.python("gateway"), "-m", "gateway.repository", *repositories]
    environment = _gateway_environment(endpoint)
    return Program("The reconciler of models", command, environment, layout.root, _RECONCILER_GRACE_S)


def gateway_program(layout: Layout, addresses: Addresses, endpoint: Endpoint, workers: int) -> Program:
    """The gateway from the checkout, in its own environment, connected to that Triton."""
    environment = _gateway_environment(endpoint) | {
        "TRITON_GATEWAY_HOST": addresses.host,
        "TRITON_GATEWAY_PORT": str(addresses.port),
        "TRITON_GATEWAY_WORKERS": str(workers),
    }
    command = [layout.python("gateway"), "-m", "gateway"]
    return Program("The gateway", command, environment, layout.root, _GATEWAY_GRACE_S)


def _gateway_environment(endpoint: Endpoint) -> dict[str, str]:
    return {**os.environ, **endpoint.settings, "PYTHONUNBUFFERED": "1"}


def _triton_environment(layout: Layout, repositories: Sequence[Path]) -> dict[str, str]:
    # If a model names no environment of its own, its stub uses the first python3 on PATH.
    environment = (
        offline(dict(os.environ))
        | _hub_settings()
        | {
            "PATH": os.pathsep.join([str(layout.environment("pytorch") / "bin"), os.environ.get("PATH", "")]),
            "LD_LIBRARY_PATH": os.pathsep.join([str(triton.libraries(layout)), *_libpython_folder()]),
            "VLLM_NO_USAGE_STATS": "1",
            "MODEL_REPOSITORIES": os.pathsep.join(map(str, repositories)),  # for the model `assets`
            "PYTHONUNBUFFERED": "1",
        }
    )
    environment.setdefault("VLLM_CPU_KVCACHE_SPACE", _KVCACHE_GB)
    # GPUs of several kinds then have the numbers that nvidia-smi shows; by default CUDA counts the fastest first.
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if not layout.cuda:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # builds for the CPU must not take memory on a GPU
    return environment


def _hub_settings() -> dict[str, str]:
    """The user's HF_HUB_OFFLINE, if it is set: 0 lets models of the hub be downloaded."""
    value = os.environ.get("HF_HUB_OFFLINE")
    return {"HF_HUB_OFFLINE": value, "TRANSFORMERS_OFFLINE": value} if value else {}


def _libpython_folder() -> list[str]:
    library = interpreter.shared_library()
    folders = [str(library.parent)] if library else []
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return [*folders, inherited] if inherited else folders
