"""From Triton's arguments to a running instance."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from .autocomplete import refuse_conflicts
from .configuration import config
from .configuration import multi_lora as lora
from .configuration.config import EngineConfig
from .configuration.settings import Settings, with_parameters
from .engine.adapters import Adapters
from .engine.interface import Engine
from .gpus import probe as gpu_probe
from .gpus.claims import Claim, Register
from .gpus.inventory import VISIBLE
from .gpus.placement import Wish, place
from .instance import Instance
from .metrics.exporter import Sink
from .metrics.meter import Meter
from .metrics.triton_sink import TritonSink
from .recovery.recovering_engine import RecoveringEngine
from .serving import official_intake as desk
from .serving.ledger import Ledger
from .serving.official_intake import Desk

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


# How long a thread may keep the interpreter's lock when another wants it, in seconds. The sender wants it several times a
# response; at Python's own 5 ms, beside a busy engine loop, one send outlasts a step of a fast engine.
SWITCH_INTERVAL = 0.0005


def launch(args: Mapping[str, Any]) -> Instance:
    """Start the instance that Triton's `initialize` asks for. When it raises, nothing is left behind."""
    _log_to_stderr()
    sys.setswitchinterval(SWITCH_INTERVAL)
    written = json.loads(args["model_config"])
    refuse_conflicts(written)
    model = str(args["model_name"])
    # `model_repository` is the model's own folder, in spite of its name.
    version_directory = Path(args["model_repository"]) / str(args["model_version"])
    engine_config = config.load(model, version_directory)
    _set_environment(os.environ, engine_config.settings.variables)
    if engine_config.settings.nice:
        # Of this thread, and of every thread and process that comes of it: the engine's.
        os.nice(engine_config.settings.nice)
    loras = lora.load(version_directory, engine_config.arguments)
    official = Desk(model, loras=loras, check_health=desk.check_health(written))
    settings = with_parameters(engine_config.settings, engine_config.written, written)
    meter = Meter()
    # Nothing is counted per step that nobody reads.
    make, let_go = _engine(engine_config, settings, args, meter if settings.report_metrics else None)
    try:
        engine = RecoveringEngine(make, settings, leave=let_go)
    except BaseException:
        let_go()
        raise
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
    engine_config: EngineConfig, settings: Settings, args: Mapping[str, Any], meter: Meter | None
) -> tuple[Callable[[], Engine], Callable[[], None]]:
    """How to make an engine, each time one is needed, and what to do after the last."""
    adapters = Adapters.of(engine_config)
    if engine_config.engine == "replay":
        from .replay.replay_engine import ReplayEngine

        return lambda: ReplayEngine(engine_config, adapters, meter), lambda: None
    register = _take_gpus(engine_config, settings, args, os.environ)
    from .engine.vllm_engine import VllmEngine
    from .engine.watchdog import Watchdog

    watchdog = Watchdog()
    watchdog.start()

    def let_go() -> None:
        register.leave()
        watchdog.leave()

    return lambda: VllmEngine(engine_config, adapters, watchdog, meter), let_go


def _take_gpus(
    engine_config: EngineConfig, settings: Settings, args: Mapping[str, Any], environment: MutableMapping[str, str]
) -> Register:
    """Let vLLM see the GPUs that this model is to have, and tell the other models' processes.

    It works by the environment because that reaches vLLM's processes, which are spawned, whatever its version; and it is
    safe because Triton gives each instance a process of its own. vLLM and torch must not have been imported before.
    """
    register = Register()
    if not gpu_probe.is_for_cuda():
        if settings.gpu_device_ids:
            logger.warning("%s: gpu_device_ids means nothing: this vLLM is not for CUDA", engine_config.source)
        return register
    kind, device = str(args["model_instance_kind"]), int(args["model_instance_device_id"])
    wish = Wish(str(engine_config.source), engine_config.arguments, settings.gpu_device_ids, kind, device)
    placement = place(wish, environment, gpu_probe.list_gpus())
    environment.update(placement.environment)
    logger.info("%s: %s=%s", engine_config.model, VISIBLE, environment.get(VISIBLE))
    if placement.devices:
        logger.info("%s runs on %s", engine_config.model, ", ".join(placement.devices))
        register.take(engine_config.source, Claim.of(engine_config.model, placement.devices, engine_config.arguments))
    return register


def _set_environment(environment: MutableMapping[str, str], chosen: Mapping[str, str]) -> None:
    """Before anything is imported that reads it; the engine's processes inherit it."""
    environment.update(chosen)
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
