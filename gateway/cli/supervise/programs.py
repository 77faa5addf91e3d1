"""The command lines and environments of the three supervised programs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import defaults
from gateway.cli.installation import Installation
from gateway.cli.serve import with_package
from gateway.cli.setup.weights import offline
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.endpoint import LOOPBACK, Endpoint, reachable
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
    # Whatever else listens is one more door: clients come through the gateway.
    "allow-http": "false",
    "allow-sagemaker": "false",
    "allow-vertex-ai": "false",
    "allow-grpc": "true",
    "allow-metrics": "true",
    # The gateway keeps idle connections alive with pings; by default Triton treats these as an attack.
    "grpc-http2-min-recv-ping-interval-without-data": "5000",
    "grpc-http2-max-ping-strikes": "0",
    "grpc-keepalive-permit-without-calls": "1",
}


@dataclass(frozen=True)
class Addresses:
    """The addresses to listen on. Without a gRPC port Triton listens on a Unix socket, else on `triton_host`: from other
    machines it can be reached only through the gateway, unless that is another address than loopback."""

    host: str = LOOPBACK
    port: int = defaults.PORT
    triton_grpc_port: int | None = None
    triton_metrics_port: int = defaults.TRITON_METRICS_PORT
    triton_host: str = LOOPBACK

    @property
    def reachable_host(self) -> str:
        """An address at which this machine reaches the gateway."""
        return reachable(self.host)

    @property
    def url(self) -> str:
        """The gateway's URL on this machine, without a path."""
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def triton_program(
    installation: Installation, endpoint: Endpoint, addresses: Addresses, repositories: Sequence[Path]
) -> Program:
    """The real tritonserver, with these model repositories."""
    options = {
        **_TRITON_OPTIONS,
        **endpoint.options,
        "backend-directory": str(installation.backends),
        "metrics-address": addresses.triton_host,
        "metrics-port": str(addresses.triton_metrics_port),
        "allow-gpu-metrics": "true" if installation.gpu_metrics else "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags += [f"--model-repository={repository}" for repository in repositories]
    flags += [f"--backend-config={name},shm-region-prefix-name={shared_memory.prefix()}" for name in _BACKENDS]
    command = [str(installation.tritonserver), *flags]
    environment = _triton_environment(installation, repositories)
    return Program("Triton", command, environment, installation.folder, _TRITON_GRACE_S)


def reconciler_program(installation: Installation, endpoint: Endpoint, repositories: Sequence[Path]) -> Program:
    """What has Triton load the models of these repositories."""
    command = [installation.gateway_python, "-m", "gateway.repository", *repositories]
    environment = _gateway_environment(installation, endpoint)
    return Program("The reconciler of models", command, environment, Path.cwd(), _RECONCILER_GRACE_S)


def gateway_program(installation: Installation, addresses: Addresses, endpoint: Endpoint, workers: int) -> Program:
    """The gateway in its own environment, connected to that Triton."""
    environment = _gateway_environment(installation, endpoint) | {
        "TRITON_GATEWAY_HOST": addresses.host,
        "TRITON_GATEWAY_PORT": str(addresses.port),
        "TRITON_GATEWAY_WORKERS": str(workers),
    }
    command = [installation.gateway_python, "-m", "gateway"]
    return Program("The gateway", command, environment, Path.cwd(), _GATEWAY_GRACE_S)


def _gateway_environment(installation: Installation, endpoint: Endpoint) -> dict[str, str]:
    settings = {**endpoint.settings, "TRITON_GATEWAY_STATE_DIR": str(installation.state_dir)}
    return with_package(installation.root, {**os.environ, **settings, "PYTHONUNBUFFERED": "1"})


def _triton_environment(installation: Installation, repositories: Sequence[Path]) -> dict[str, str]:
    environment = (
        offline(dict(os.environ))
        | _hub_settings()
        | {
            **installation.variables,
            "VLLM_NO_USAGE_STATS": "1",
            "MODEL_REPOSITORIES": os.pathsep.join(map(str, repositories)),  # for the model `assets`
            "PYTHONUNBUFFERED": "1",
        }
    )
    environment.setdefault("VLLM_CPU_KVCACHE_SPACE", _KVCACHE_GB)
    # GPUs of several kinds then have the numbers that nvidia-smi shows; by default CUDA counts the fastest first.
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if not installation.cuda:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # builds for the CPU must not take memory on a GPU
    return environment


def _hub_settings() -> dict[str, str]:
    """The user's HF_HUB_OFFLINE, if it is set: 0 lets models of the hub be downloaded."""
    value = os.environ.get("HF_HUB_OFFLINE")
    return {"HF_HUB_OFFLINE": value, "TRANSFORMERS_OFFLINE": value} if value else {}
