"""Requests of NVIDIA's own vLLM backend, which have no envelope: read from their tensors, then run as native ones are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..configuration.multi_lora import LoraTable
from ..official import errors, tensors
from ..official.request import OfficialEmbed, OfficialGenerate, parse
from ..official.writer import OfficialWriter
from ..serving.context import Call, Serving
from ..serving.running_generation import RunningGeneration
from ..serving.running_result import RunningOfficialEmbedding

if TYPE_CHECKING:
    from ..contract.tensors import TritonRequest

HEALTH_CHECK = "ENABLE_VLLM_HEALTH_CHECK"


class ReportingEngine(Protocol):
    """The part of `interface.Engine` by which its health is checked."""

    def stats(self) -> Mapping[str, Any]: ...


class OfficialReader:
    """What can be refused of one model's official requests without asking the engine.

    `loras` is what multi_lora.json names; None where the engine has LoRA switched off. With `check_health` a dead engine
    is reported in NVIDIA's words.
    """

    def __init__(self, model: str, *, loras: LoraTable | None = None, check_health: bool = False) -> None:
        self._model = model
        self._loras = loras
        self._check_health = check_health

    def read(
        self, request: TritonRequest, rid: str, tasks: Collection[str], engine: ReportingEngine
    ) -> OfficialGenerate | OfficialEmbed:
        """`tasks` are those of the model. Raises a BackendError, in the official backend's own words where it has some."""
        if self._check_health and not engine.stats().get("alive", True):
            raise errors.engine_is_unhealthy()
        parsed = parse(tensors.read(request), request.parameters(), rid)
        if isinstance(parsed, OfficialEmbed):
            if "embed" not in tasks:
                raise errors.task_is_missing(self._model, "embed")
            return parsed
        if "generate" not in tasks:
            raise errors.task_is_missing(self._model, "generate")
        if parsed.lora is not None:
            self._check_lora(parsed.lora)
        return parsed

    def _check_lora(self, name: str) -> None:
        if self._loras is None:
            raise errors.lora_is_off()
        if name not in self._loras:
            raise errors.lora_is_unknown(name, list(self._loras))


def handle(
    serving: Serving, reader: OfficialReader, request: TritonRequest, call: Call, writer: OfficialWriter
) -> None:
    """Read an official request and run it; `writer` is what the call's channel sends its records by."""
    parsed = reader.read(request, call.life.rid, serving.facts.tasks, serving.engine)
    timeout = request.timeout() / 1e6 if request.timeout() > 0 else None
    writer.expect(parsed.wanted)
    if isinstance(parsed, OfficialEmbed):
        _embed(serving, parsed, timeout, call)
    else:
        _generate(serving, replace(parsed, timeout=timeout), call, writer)


def _generate(serving: Serving, request: OfficialGenerate, call: Call, writer: OfficialWriter) -> None:
    generation = RunningGeneration(call.life, call.channel, serving.engine.abort, writer.open)
    submit = serving.engine.submit
    serving.supervisor.run(generation, call.channel, request.timeout, lambda: submit(request, generation))


def _embed(serving: Serving, request: OfficialEmbed, timeout: float | None, call: Call) -> None:
    running = RunningOfficialEmbedding(call.life, call.channel, serving.engine.abort)
    submit = serving.engine.submit_for_result
    serving.supervisor.run(running, call.channel, timeout, lambda: submit(request.as_pool(), running))


def asks_for_health_check(model_config: Mapping[str, Any]) -> bool:
    """Whether config.pbtxt asks for NVIDIA's health check."""
    parameters = cast("dict[str, dict[str, str]]", model_config.get("parameters") or {})
    return parameters.get(HEALTH_CHECK, {}).get("string_value", "").lower() == "true"
