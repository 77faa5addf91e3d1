"""The command lines and environments of the two supervised programs."""

import os
from dataclasses import dataclass

from gateway import defaults
from gateway.cli.layout import Layout
from gateway.cli.setup import interpreter, triton
from gateway.cli.setup.weights import offline
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.service import Program

LOOPBACK = "127.0.0.1"
_GATEWAY_GRACE_S = 5.0
_TRITON_EXIT_TIMEOUT_S = 3
_TRITON_GRACE_S = 7.0
"""Together with the gateway's grace period and the time for killing, below 15 s."""

_BACKENDS = ("python", "vllm_custom", "pytorch")
"""All of these run in Triton's Python stub. Without our setting, each would name its shared memory with its own prefix."""

_KVCACHE_GB = "1"
_TRITON_OPTIONS: dict[str, str] = {
    "model-control-mode": "none",
    "strict-readiness": "true",
    "exit-timeout-secs": str(_TRITON_EXIT_TIMEOUT_S),
    # This release lacks all later security fixes, so only gRPC and metrics are enabled, and only on loopback.
    "allow-http": "false",
    "allow-sagemaker": "false",
    "allow-vertex-ai": "false",
    "allow-grpc": "true",
    "grpc-address": LOOPBACK,
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
    """The addresses to listen on. Triton is always on loopback, so others can reach it only through the gateway."""

    host: str = LOOPBACK
    port: int = defaults.PORT
    triton_grpc_port: int = defaults.TRITON_GRPC_PORT
    triton_metrics_port: int = defaults.TRITON_METRICS_PORT

    @property
    def reachable_host(self) -> str:
        """An address at which this machine reaches the gateway, even if the gateway listens on all addresses."""
        return LOOPBACK if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - compared, not bound to


def triton_program(layout: Layout, addresses: Addresses) -> Program:
    """The real tritonserver with the model repository of the checkout."""
    options = _TRITON_OPTIONS | {
        "model-repository": str(layout.model_repository),
        "backend-directory": str(layout.backends),
        "grpc-port": str(addresses.triton_grpc_port),
        "metrics-port": str(addresses.triton_metrics_port),
    }
    regions = [f"--backend-config={name},shm-region-prefix-name={shared_memory.prefix()}" for name in _BACKENDS]
    command = [str(triton.server(layout)), *(f"--{name}={value}" for name, value in options.items()), *regions]
    return Program("Triton", command, _triton_environment(layout), layout.root, _TRITON_GRACE_S)


def gateway_program(layout: Layout, addresses: Addresses, workers: int) -> Program:
    """The gateway from the checkout, in its own environment, connected to that Triton."""
    environment = dict(os.environ) | {
        "TRITON_GATEWAY_HOST": addresses.host,
        "TRITON_GATEWAY_PORT": str(addresses.port),
        "TRITON_GATEWAY_WORKERS": str(workers),
        "TRITON_GATEWAY_TRITON_URLS": f"{LOOPBACK}:{addresses.triton_grpc_port}",
        "PYTHONUNBUFFERED": "1",
    }
    command = [layout.python("gateway"), "-m", "gateway"]
    return Program("The gateway", command, environment, layout.root, _GATEWAY_GRACE_S)


def _triton_environment(layout: Layout) -> dict[str, str]:
    # If a model names no environment of its own, its stub uses the first python3 on PATH.
    environment = offline(dict(os.environ)) | {
        "PATH": os.pathsep.join([str(layout.environment("pytorch") / "bin"), os.environ.get("PATH", "")]),
        "LD_LIBRARY_PATH": os.pathsep.join([str(triton.libraries(layout)), *_libpython_folder()]),
        "VLLM_NO_USAGE_STATS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("VLLM_CPU_KVCACHE_SPACE", _KVCACHE_GB)
    if not layout.cuda:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # builds for the CPU must not take memory on a GPU
    return environment


def _libpython_folder() -> list[str]:
    library = interpreter.shared_library()
    folders = [str(library.parent)] if library else []
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return [*folders, inherited] if inherited else folders
