"""Makes a running instance of what Triton gives `initialize`, and ends its process."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .autocomplete import refuse_conflicts
from .configuration import config, hub, multi_lora, process_environment
from .configuration.config import EngineConfig
from .configuration.settings import Settings, with_parameters
from .engine import garbage
from .engine.adapters import Adapters
from .engine.interface import Engine
from .gpus.assignment import assign
from .gpus.turns import Turns
from .instance import Instance
from .metrics.exporter import MetricsSink
from .metrics.meter import Meter
from .metrics.triton_sink import TritonSink
from .operations.official import OfficialReader, asks_for_health_check
from .recovery.recovering_engine import RecoveringEngine
from .serving.request_metrics import RequestMetrics

logger = logging.getLogger("vllm_custom")

# Of a process that ends because its engine has failed; the C library's EX_UNAVAILABLE.
EXIT_STATUS = 69

# How long a thread may keep the interpreter's lock when another waits for it, in seconds. The sending thread needs it
# several times a response; at Python's own 5 ms, beside a busy engine loop, one send outlasts a step of a fast engine.
SWITCH_INTERVAL = 0.0005


def launch(args: Mapping[str, Any]) -> Instance:
    """Start the instance that the arguments of Triton's `initialize` describe. When it raises, nothing is left behind."""
    _log_to_stderr()
    sys.setswitchinterval(SWITCH_INTERVAL)
    written = json.loads(args["model_config"])
    refuse_conflicts(written)
    model = str(args["model_name"])
    # `model_repository` is the model's own folder, in spite of its name.
    version_directory = Path(args["model_repository"]) / str(args["model_version"])
    engine_config = config.load(model, version_directory)
    process_environment.set_variables(os.environ, engine_config.settings.variables, engine_config.arguments)
    hub.settle(engine_config, os.environ)
    if engine_config.settings.nice:
        # Of this thread, and of every thread and process that it starts: the engine's.
        os.nice(engine_config.settings.nice)
    loras = multi_lora.load(version_directory, engine_config.arguments)
    reader = OfficialReader(model, loras=loras, check_health=asks_for_health_check(written))
    settings = with_parameters(engine_config.settings, engine_config.written, written)
    meter = Meter()
    # Where metrics are not reported, the engine does not count its steps either.
    make, clean_up = _engine_maker(engine_config, settings, args, meter if settings.report_metrics else None)
    try:
        engine = RecoveringEngine(make, settings, settle=garbage.settle, on_stopped=clean_up)
    except BaseException:
        clean_up()
        raise
    metrics = RequestMetrics(meter, _sink(args) if settings.report_metrics else None)
    instance = Instance(model, engine, official_reader=reader, settings=settings, request_metrics=metrics)
    engine.on_failure = instance.engine_failed
    engine.on_exit = lambda: _exit_after(instance)
    instance.start()
    logger.info("%s serves", model)
    return instance


def end_process() -> None:
    """End this process after `Instance.stop`, without the interpreter's own shutdown where torch has been loaded.

    That shutdown takes seconds, and with the threads of torch and zmq it can hang, and then Triton waits for ever. Nothing
    is lost: the engine is down, and Triton has its answer before it waits for the process.
    """
    if "torch" in sys.modules:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _exit_after(instance: Instance) -> None:
    """End the process as soon as the last responses have been sent."""
    instance.flush()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_STATUS)


def _sink(args: Mapping[str, Any]) -> MetricsSink:
    return TritonSink({"model": str(args["model_name"]), "version": str(args["model_version"])})


def _engine_maker(
    engine_config: EngineConfig, settings: Settings, args: Mapping[str, Any], meter: Meter | None
) -> tuple[Callable[[], Engine], Callable[[], None]]:
    """What makes an engine, each time one is needed, and what cleans up after the last."""
    adapters = Adapters.of(engine_config)
    if engine_config.engine == "replay":
        from .replay.replay_engine import ReplayEngine

        return lambda: ReplayEngine(engine_config, adapters, meter), lambda: None
    kind, device = str(args["model_instance_kind"]), int(args["model_instance_device_id"])
    register = assign(engine_config, settings, kind, device, os.environ)
    from .engine.vllm_engine import VllmEngine
    from .engine.watchdog import Watchdog

    watchdog = Watchdog()
    watchdog.start()
    turns = Turns(register.folder, engine_config.model, register.devices, settings.gpu_turn_seconds)

    def clean_up() -> None:
        register.release()
        watchdog.announce_exit()

    return lambda: VllmEngine(engine_config, adapters, watchdog, turns.take, meter), clean_up


def _log_to_stderr() -> None:
    # Never through Triton's own logger: each of its lines is a round trip between processes.
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
