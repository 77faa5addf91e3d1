"""From Triton's arguments to a running instance."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from . import config
from .autocomplete import refuse_conflicts
from .config import EngineConfig
from .exporter import Sink
from .instance import Instance
from .interface import Engine
from .ledger import Ledger
from .meter import Meter
from .official import desk, lora
from .official.desk import Desk
from .recovery import RecoveringEngine
from .settings import with_parameters
from .triton_metrics import TritonSink

logger = logging.getLogger("vllm_custom")

# Of a process that ends because its engine has failed; the C library's EX_UNAVAILABLE.
EXIT_STATUS = 69

# What the engine's process and its children need; whoever sets one of them before has his way.
ENVIRONMENT: Mapping[str, str] = {
    # A forked child would inherit Triton's locks in whatever state they are.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # Weights come with the model repository; a hub that does not answer must not delay a start.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def launch(args: Mapping[str, Any]) -> Instance:
    """Start the instance that Triton's `initialize` asks for. When it raises, nothing is left behind."""
    _log_to_stderr()
    _set_environment(os.environ)
    written = json.loads(args["model_config"])
    refuse_conflicts(written)
    model = str(args["model_name"])
    # `model_repository` is the model's own folder, in spite of its name.
    version_directory = Path(args["model_repository"]) / str(args["model_version"])
    engine_config = config.load(model, version_directory)
    loras = lora.load(version_directory, engine_config.arguments)
    official = Desk(model, loras=loras, check_health=desk.check_health(written))
    settings = with_parameters(engine_config.settings, engine_config.written, written)
    meter = Meter()
    # Nothing is counted per step that nobody reads.
    make, leave = _engine(engine_config, _gpu(args), meter if settings.report_metrics else None)
    engine = RecoveringEngine(make, settings, leave=leave)
    ledger = Ledger(meter, _sink(args) if settings.report_metrics else None)
    instance = Instance(model, engine, desk=official, settings=settings, ledger=ledger)
    engine.on_failure = instance.engine_failed
    engine.on_exit = lambda: _exit_after(instance)
    instance.start()
    logger.info("%s serves", model)
    return instance


def leave() -> None:
    """End this process after `Instance.stop`, without the interpreter's own shutdown where torch has been loaded.

    That shutdown takes seconds, and with the threads of torch and zmq around it can hang, on which Triton waits for
    ever. Nothing is lost: the engine is down, and Triton has had its answer before it waits for the process.
    """
    if "torch" in sys.modules:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _exit_after(instance: Instance) -> None:
    """End the process at once, but for what the clients still have to hear."""
    instance.flush()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_STATUS)


def _sink(args: Mapping[str, Any]) -> Sink:
    return TritonSink({"model": str(args["model_name"]), "version": str(args["model_version"])})


def _engine(
    engine_config: EngineConfig, gpu: int | None, meter: Meter | None
) -> tuple[Callable[[], Engine], Callable[[], None]]:
    """How to make an engine, each time one is needed, and what to do after the last."""
    if engine_config.engine == "replay":
        from .replay import ReplayEngine

        return lambda: ReplayEngine(engine_config, meter), lambda: None
    _show_only(os.environ, gpu)
    from .engine import VllmEngine
    from .watchdog import Watchdog

    watchdog = Watchdog()
    watchdog.start()
    return lambda: VllmEngine(engine_config, watchdog, meter), watchdog.leave


def _gpu(args: Mapping[str, Any]) -> int | None:
    """The GPU that the instance group names; None with KIND_MODEL and KIND_CPU, which leave the choice to vLLM."""
    return int(args["model_instance_device_id"]) if args.get("model_instance_kind") == "GPU" else None


def _show_only(environment: MutableMapping[str, str], gpu: int | None) -> None:
    """Let vLLM see one GPU. Triton counts within the devices it was shown itself, which may be named by UUID."""
    if gpu is None:
        return
    shown = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    environment["CUDA_VISIBLE_DEVICES"] = shown[gpu] if gpu < len(shown) else str(gpu)


def _set_environment(environment: MutableMapping[str, str]) -> None:
    for name, value in ENVIRONMENT.items():
        environment.setdefault(name, value)


def _log_to_stderr() -> None:
    # Never through Triton's own logger: each of its lines is a round trip between processes.
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
