"""The arguments of `triton-gateway`: the commands, their options and their help."""

import argparse
from pathlib import Path

from gateway import defaults
from gateway.cli.run import BACKENDS, TRITONSERVER
from gateway.cli.setup.plan import EXTRAS
from gateway.cli.supervise.endpoint import LOOPBACK
from gateway.cli.supervise.health import LOAD_TIMEOUT_S
from gateway.cli.supervise.programs import Addresses
from gateway.version import VERSION

HIGHEST_PORT = 65535

_DESCRIPTION = "An OpenAI-compatible gateway in front of NVIDIA Triton."

_EPILOG = f"""\
examples:
  make up                                      everything on this machine, at http://{defaults.HOST}:{defaults.PORT}/v1
  make up PORT=9000 WORKERS=2                  the same elsewhere
  make up MODEL=Qwen/Qwen3-0.6B                with a model of Hugging Face's hub
  triton-gateway serve --triton 10.0.0.5:8001  the gateway alone, against a Triton that runs already
  triton-gateway doctor                        what is wrong here, and what to do about it

From a checkout, `python3 -m gateway.cli` is `triton-gateway`."""

_SERVE = """\
The gateway alone, against a Triton elsewhere. Whatever is not given here comes from the environment (every setting, with
TRITON_GATEWAY_ before its name: TRITON_GATEWAY_API_KEYS, TRITON_GATEWAY_MAX_IN_FLIGHT, ...) and then from the file that
--config names (TOML, the same names in lower case without the prefix). gateway/settings.py explains each of them."""

_UP = """\
Sets up what is missing (environments from the lock files, the real tritonserver, weights: everything below .cache/),
starts Triton on loopback and the gateway before it, waits until a token has come through, and says where. Restarts what
fails. Ctrl-C or SIGTERM stops all of it. Settings of the gateway that are not given here come from TRITON_GATEWAY_*, and
then from the file that TRITON_GATEWAY_CONFIG_FILE names, as for `serve`."""


_RUN = """\
Triton, what loads its models, and a gateway, kept running: what fails is started again. Nothing is set up, so this is for
a machine on which Triton, our backends and the gateway are installed, as in our images. Ends when it has lost its GPU,
which only a new start of the container brings back."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    program = argparse.ArgumentParser(
        prog="triton-gateway",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands.add_parser("up", help="set up what is missing and serve, in the foreground", description=_UP))
    _add_run(
        commands.add_parser("run", help="serve with a Triton that is installed, as in our images", description=_RUN)
    )
    _add_serve(commands.add_parser("serve", help="the gateway alone", description=_SERVE))
    health = commands.add_parser("ready", help="exit status 0 if the gateway at this address is ready")
    health.add_argument("--host", default=defaults.HOST, help=f"its address (default: {defaults.HOST})")
    health.add_argument("--port", type=_port, default=defaults.PORT, help=f"its port (default: {defaults.PORT})")
    check = commands.add_parser("doctor", help="check the machine, the set-up and what is running; say what to do")
    _add_addresses(check)
    _add_backends(check)
    _add_triton(check, "look at these Tritons instead of what `up` runs here")
    listing = commands.add_parser("models", help="every model of Triton's, and why it is or is not served")
    _add_triton(listing, f"Triton's gRPC addresses (default: {defaults.TRITON_URL})")
    load = commands.add_parser("load", help="load a model of the Triton that `up` runs here, or load it anew")
    unload = commands.add_parser("unload", help="unload one, until it is loaded")
    for either in (load, unload):
        either.add_argument("model", metavar="MODEL")
    make = commands.add_parser("setup", help="only what `up` does before it starts anything")
    _add_backends(make)
    extent = make.add_mutually_exclusive_group()
    extent.add_argument(
        "--with", dest="extras", nargs="+", default=[], choices=EXTRAS, help="also what only the checks need"
    )
    extent.add_argument("--only", nargs="+", default=[], choices=EXTRAS, help="nothing but this")
    return program


def _add_backends(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpu",
        choices=("auto", "0", "1"),
        default="auto",
        help="builds for CUDA: 0 never, 1 always, auto where nvidia-smi finds a GPU (default: auto)",
    )
    for option, backend in (("vllm", "vllm_custom"), ("pytorch", "pytorch")):
        parser.add_argument(
            f"--{option}-environment",
            type=Path,
            metavar="DIR",
            help=f"a ready environment for the backend {backend}, instead of one from the lock",
        )


def _add_up(parser: argparse.ArgumentParser) -> None:
    _add_addresses(parser)
    _add_backends(parser)
    _add_workers(parser)
    parser.add_argument(
        "--model-repository",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of models of one's own, beside those of the checkout; may be given several times",
    )
    parser.add_argument(
        "--model",
        metavar="OWNER/NAME",
        help="a model of Hugging Face's hub, which is downloaded and sized for this machine (docs/hub.md)",
    )
    parser.add_argument(
        "--no-demonstration",
        dest="demonstration",
        action="store_false",
        help="neither make nor serve the models of the checkout",
    )
    parser.add_argument("--verbose", action="store_true", help="show all that Triton and the gateway write")


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_addresses(parser)
    parser.add_argument("--triton-host", default=LOOPBACK, help=f"address of Triton's ports (default: {LOOPBACK})")
    parser.add_argument("--tritonserver", type=Path, default=TRITONSERVER, metavar="FILE", help=f"({TRITONSERVER})")
    parser.add_argument("--backend-directory", type=Path, default=BACKENDS, metavar="FOLDER", help=f"({BACKENDS})")
    parser.add_argument(
        "--model-repository",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER",
        help="may be given several times",
    )
    parser.add_argument(
        "--demonstration", type=Path, metavar="FOLDER", help="a repository that is served while the others are empty"
    )
    parser.add_argument(
        "--repository-secret-file",
        type=Path,
        metavar="FILE",
        help="what a gateway elsewhere needs to list Triton's models; made if it is missing",
    )
    parser.add_argument(
        "--vllm-python",
        type=Path,
        metavar="FILE",
        help="vLLM's Python: serves the model of the hub that MODEL names, from the first repository",
    )
    parser.add_argument("--gpu", choices=("0", "1"), default="0", help="whether the backends run on GPUs (default: 0)")
    _add_workers(parser)
    parser.add_argument(
        "--load-timeout",
        type=_positive,
        default=int(LOAD_TIMEOUT_S),
        metavar="SECONDS",
        help=f"Triton is started again if its log is silent for so long while it loads (default: {LOAD_TIMEOUT_S:.0f})",
    )
    parser.add_argument("--verbose", action="store_true", help="show all that Triton and the gateway write")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_positive,
        help=f"worker processes of the gateway (default: {defaults.WORKERS})",
    )


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    default = Addresses()
    parser.add_argument("--host", help=f"address of the gateway (default: {default.host})")
    parser.add_argument("--port", type=_port, help=f"port of the gateway (default: {default.port})")
    parser.add_argument(
        "--triton-grpc-port", type=_port, metavar="PORT", help="on loopback (default: none, but a Unix socket)"
    )
    port = default.triton_metrics_port
    parser.add_argument(
        "--triton-metrics-port", type=_port, default=port, metavar="PORT", help=f"on loopback (default: {port})"
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help=f"address to listen on (default: {defaults.HOST})")
    parser.add_argument("--port", type=_port, help=f"port to listen on (default: {defaults.PORT})")
    parser.add_argument("--workers", type=_positive, help=f"worker processes (default: {defaults.WORKERS})")
    _add_triton(parser, f"Triton's gRPC addresses (default: {defaults.TRITON_URL})")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with any of the settings")


def _add_triton(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--triton", metavar="HOST:PORT[,…]", help=text)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and {HIGHEST_PORT}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number
