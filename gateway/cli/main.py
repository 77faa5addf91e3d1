"""`triton-gateway`: the function that handles each command."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from gateway import defaults
from gateway.cli import arguments, settings
from gateway.cli.change import change
from gateway.cli.console import complain, show_any_text, stop_printing
from gateway.cli.doctor import doctor
from gateway.cli.errors import Problem, Stopped
from gateway.cli.gpus import nvidia_smi
from gateway.cli.layout import Layout, find_layout, need_checkout
from gateway.cli.models import models
from gateway.cli.ready import ready
from gateway.cli.run import RunOptions, run
from gateway.cli.serve import ServeOptions, serve
from gateway.cli.settings import Given
from gateway.cli.setup.place import not_written
from gateway.cli.setup.plan import set_up
from gateway.cli.stopping import stop_on_signals
from gateway.cli.supervise.programs import Addresses
from gateway.cli.up import UpOptions, up

_MOST_WORKERS = 256


def main(words: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 0, 1 for a problem (printed on stderr), 130 for an interrupted set-up."""
    show_any_text()
    options = arguments.parser().parse_args(words)
    try:
        return _run(options)
    except Problem as problem:
        complain(str(problem))
        return 1
    except Stopped:
        complain("Stopped. What is done stays done; the same command goes on from here.")
        return 130
    except BrokenPipeError:
        stop_printing()
        return 1
    except OSError as error:
        if (problem := not_written(error)) is None:
            raise
        complain(str(problem))
        return 1


def _run(options: argparse.Namespace) -> int:
    layout = _layout(options)
    match options.command:
        case "up":
            need_checkout(layout, "up")
            up(layout, _up_options(options), stop_on_signals())
        case "setup":
            need_checkout(layout, "setup")
            set_up(layout, stop_on_signals(), options.extras or options.only, for_serving=not options.only)
        case "run":
            run(layout, _run_options(options), stop_on_signals())
        case "ready":
            return 0 if ready(layout, options.host, options.port) else 1
        case "serve":
            serve(layout, ServeOptions(options.host, options.port, options.workers, options.triton, options.config))
        case "models":
            models(layout, options.triton)
        case "load" | "unload":
            change(layout, options.command, options.model)
        case _:
            return 0 if doctor(layout, _addresses(options, settings.read(os.environ)), options.triton) else 1
    return 0


def _up_options(options: argparse.Namespace) -> UpOptions:
    given = settings.read(os.environ)
    return UpOptions(
        _addresses(options, given),
        _workers(options, given),
        options.verbose,
        tuple(path.expanduser().resolve() for path in options.model_repository),
        demonstration=options.demonstration,
        state_dir=given.state_dir,
        model=options.model or None,
    )


def _run_options(options: argparse.Namespace) -> RunOptions:
    given = settings.read(os.environ)
    return RunOptions(
        replace(_addresses(options, given), triton_host=options.triton_host),
        tuple(path.resolve() for path in options.model_repository),
        tritonserver=options.tritonserver,
        backends=options.backend_directory,
        demonstration=options.demonstration,
        secret_file=options.repository_secret_file,
        vllm_python=options.vllm_python,
        cuda=options.gpu == "1",
        workers=_workers(options, given),
        verbose=options.verbose,
        load_timeout_s=options.load_timeout,
        state_dir=given.state_dir,
    )


def _layout(options: argparse.Namespace) -> Layout:
    """The layout, with what the options say about GPUs and ready environments."""
    layout = find_layout()
    if options.command not in ("up", "setup", "doctor"):
        return layout
    given = {"vllm_custom": options.vllm_environment, "pytorch": options.pytorch_environment}
    ready = {name: folder.resolve() for name, folder in given.items() if folder is not None}
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    cuda = options.gpu == "1" or (options.gpu == "auto" and not hidden and bool(nvidia_smi.ask().gpus))
    return replace(layout, cuda=cuda, ready=ready)


def _workers(options: argparse.Namespace, given: Given) -> int:
    return options.workers or given.number("workers", most=_MOST_WORKERS) or defaults.WORKERS


def _addresses(options: argparse.Namespace, given: Given) -> Addresses:
    host = options.host or given.text("host") or defaults.HOST
    port = options.port or given.number("port", most=arguments.HIGHEST_PORT) or defaults.PORT
    return Addresses(host, port, options.triton_grpc_port, options.triton_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
