"""Where official requests come in: everything about them that can be refused without asking the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..configuration.multi_lora import LoraTable
from ..engine.interface import Engine, Facts
from ..errors import Unavailable
from ..official import errors, tensors
from ..official.request import OfficialEmbed, OfficialGenerate, parse
from .official_embedding import Embedder

if TYPE_CHECKING:
    from ..contract.tensors import TritonRequest

Parsed = OfficialGenerate | OfficialEmbed
HEALTH_CHECK = "ENABLE_VLLM_HEALTH_CHECK"


class Desk:
    """One model's. `loras` is what multi_lora.json names; None where the engine has LoRA switched off."""

    def __init__(self, model: str, *, loras: LoraTable | None = None, check_health: bool = False) -> None:
        self._model = model
        self._loras = loras
        self._check_health = check_health

    def read(self, request: TritonRequest, rid: str, facts: Facts | None, engine: Engine) -> Parsed:
        """Raises a BackendError with the official backend's own words where it has some."""
        if facts is None:
            raise Unavailable("the engine is starting")
        if self._check_health and not engine.stats().get("alive", True):
            raise errors.engine_is_unhealthy()
        parsed = parse(tensors.read(request), request.parameters(), rid)
        if isinstance(parsed, OfficialEmbed):
            if "embed" not in facts.tasks or not isinstance(engine, Embedder):
                raise errors.task_is_missing(self._model, "embed")
            return parsed
        if "generate" not in facts.tasks:
            raise errors.task_is_missing(self._model, "generate")
        if parsed.lora is not None:
            self._check_lora(parsed.lora)
        return parsed

    def _check_lora(self, name: str) -> None:
        if self._loras is None:
            raise errors.lora_is_off()
        if name not in self._loras:
            raise errors.lora_is_unknown(name, list(self._loras))


def check_health(model_config: Mapping[str, Any]) -> bool:
    """Whether config.pbtxt asks for NVIDIA's health check: a dead engine then says so in NVIDIA's words."""
    parameters = cast("dict[str, dict[str, str]]", model_config.get("parameters") or {})
    return parameters.get(HEALTH_CHECK, {}).get("string_value", "").lower() == "true"
