"""Gives a model its GPUs: places it, claims them, and shows them to vLLM by the environment."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping

from ..configuration.config import EngineConfig
from ..configuration.settings import Settings
from . import probe
from .claims import Claim, Register
from .inventory import VISIBLE
from .placement import PlacementRequest, place

logger = logging.getLogger(__name__)


def assign(
    engine_config: EngineConfig, settings: Settings, kind: str, device: int, environment: MutableMapping[str, str]
) -> Register:
    """Let vLLM see the GPUs that this model is to have, and claim them before the other models' processes.

    `kind` and `device` are those of Triton's instance group. The register is to be released when the engine has gone.
    Raises ConfigError where the model cannot have them.

    It works by the environment because that reaches vLLM's processes, which are spawned, whatever its version; and it is
    safe because Triton gives each instance a process of its own. vLLM and torch must not have been imported before.
    """
    register = Register()
    if not probe.is_for_cuda():
        if settings.gpu_device_ids:
            logger.warning("%s: gpu_device_ids means nothing: this vLLM is not for CUDA", engine_config.source)
        return register
    request = PlacementRequest(
        str(engine_config.source), engine_config.arguments, settings.gpu_device_ids, kind, device
    )
    placement = place(request, environment, probe.list_gpus())
    environment.update(placement.environment)
    logger.info("%s: %s=%s", engine_config.model, VISIBLE, environment.get(VISIBLE))
    if placement.devices:
        logger.info("%s runs on %s", engine_config.model, ", ".join(placement.devices))
        register.take(engine_config.source, Claim.of(engine_config.model, placement.devices, engine_config.arguments))
    return register
