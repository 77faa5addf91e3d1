"""What an operator can set about our part of the backend (pure): the object `vllm_custom` in model.json, beside vLLM's
arguments, and the parameters of config.pbtxt that the official backend has. docs/backend-operations.md explains
each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, cast

from ..contract.control_ops import CONTROL_OPS
from ..errors import ConfigError

KEY = "vllm_custom"
FAILURE_POLICIES = ("restart", "exit", "stay")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Variables that the stub, which runs by then, or its dynamic linker has read before model.json is.
LATE = re.compile(r"(LD_|PYTHON)\w*|PATH|VIRTUAL_ENV|LC_ALL|LANG")
RENDERERS = ("auto", "backend")
MOST_NICE = 19
TIMES = (
    "backoff_seconds",
    "max_backoff_seconds",
    "stall_seconds",
    "wedge_seconds",
    "check_seconds",
    "gpu_turn_seconds",
)
# Well below diagnosis.GAP, which stands for a machine that stood still.
MOST_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds. Raises ConfigError for a value out of its range."""

    # What follows a dead or wedged engine: a new one in the same process, the end of the process, or nothing.
    on_failure: str = "restart"
    # Attempts in a row before a restart is given up for `exit`, and the pauses before them, which double.
    max_restarts: int = 5
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    # Requests run, but for so long no step has finished and the engine's processes have used no processor time …
    stall_seconds: float = 60.0
    # … or no step has finished for so long, whatever they use: then the engine is wedged.
    wedge_seconds: float = 600.0
    check_seconds: float = 0.5
    # Which control ops are answered.
    control: tuple[str, ...] = ()
    report_metrics: bool = True
    # The names of vLLM's parsers, and the folder under which LoRA adapters may lie.
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    lora_directory: str | None = None
    # The GPUs of this engine, by numbers among the visible ones or by UUIDs; none written: the first ones.
    gpu_device_ids: tuple[int | str, ...] = ()
    # How long a start waits for another engine that is starting on the same GPU.
    gpu_turn_seconds: float = 600.0
    # How many threads compute on a CPU, not bound to cores; None leaves both to vLLM, which takes all cores.
    threads: int | None = None
    # The niceness of its processes, 0 to 19: how much they give way to others on the same cores.
    nice: int = 0
    # Variables for the processes of this model alone; they win over `threads` and over what Triton was started with.
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    # What makes prompts of chats: with `auto` the gateway does, wherever the model's files suffice for that.
    renderer: str = "auto"

    def __post_init__(self) -> None:
        if self.on_failure not in FAILURE_POLICIES:
            raise ConfigError(f"on_failure is {self.on_failure!r}; write one of {', '.join(FAILURE_POLICIES)}")
        if self.renderer not in RENDERERS:
            raise ConfigError(f"renderer is {self.renderer!r}; write one of {', '.join(RENDERERS)}")
        if unknown := set(self.control) - set(CONTROL_OPS):
            raise ConfigError(f"control names {', '.join(sorted(unknown))}; there are {', '.join(CONTROL_OPS)}")
        for name in ("tool_parser", "reasoning_parser", "lora_directory"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name} must not be empty")
        if self.threads is not None and self.threads < 1:
            raise ConfigError("threads must be at least 1")
        if not 0 <= self.nice <= MOST_NICE:
            raise ConfigError(f"nice must be 0 to {MOST_NICE}")
        for name in self.environment:
            if not VARIABLE.fullmatch(name):
                raise ConfigError(f"environment: {name!r} is no name of a variable")
            if LATE.fullmatch(name):
                raise ConfigError(f"environment: {name} is read before model.json is; set it where Triton is started")
        if self.max_restarts < 0:
            raise ConfigError("max_restarts must not be negative")
        for name in TIMES:
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be a positive number of seconds")
        if self.check_seconds > MOST_CHECK_SECONDS:
            raise ConfigError(f"check_seconds must be at most {MOST_CHECK_SECONDS:g}")

    @property
    def variables(self) -> Mapping[str, str]:
        """What the environment of this model's processes must have, whatever Triton's own has."""
        if self.threads is None:
            return self.environment
        return {"OMP_NUM_THREADS": str(self.threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind", **self.environment}


def read(source: str, written: Any) -> Settings:
    """The object `vllm_custom` of the file `source`; raises ConfigError, naming the file and the key."""
    if not isinstance(written, Mapping):
        raise ConfigError(f"{source}: {KEY} must be an object")
    values = cast("Mapping[str, Any]", written)
    types = {each.name: str(each.type) for each in fields(Settings)}
    if unknown := sorted(values.keys() - types):
        raise ConfigError(f"{source}: {KEY} has no key {', '.join(unknown)}; it has {', '.join(types)}")
    try:
        return Settings(**{name: _typed(name, types[name], value) for name, value in values.items()})
    except ConfigError as error:
        raise ConfigError(f"{source}: {KEY}: {error}") from error


def with_parameters(settings: Settings, written: Mapping[str, Any], model_config: Mapping[str, Any]) -> Settings:
    """As changed by the official backend's parameters; `written`, the object of model.json, wins."""
    parameters = cast("Mapping[str, Any]", model_config.get("parameters", {}))
    if "report_metrics" not in written and (report := _flag(parameters, "REPORT_CUSTOM_METRICS")) is not None:
        settings = replace(settings, report_metrics=report)
    # NVIDIA's backend leaves a dead engine where it is unless the check is on; this one replaces it unless the check is off.
    if "on_failure" not in written and _flag(parameters, "ENABLE_VLLM_HEALTH_CHECK") is False:
        settings = replace(settings, on_failure="stay")
    if "gpu_device_ids" not in written and (devices := _text(parameters, "GPU_DEVICE_IDS").strip()):
        settings = replace(settings, gpu_device_ids=tuple(device.strip() for device in devices.split(",")))
    return settings


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind.endswith("| None") and value is None:
        return value
    if kind in ("str", "str | None") and isinstance(value, str):
        return value
    if kind in ("int", "int | None", "float") and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "float" and isinstance(value, float):
        return value
    if kind.startswith("tuple") and isinstance(value, list):
        items = cast("list[Any]", value)
        wanted = int | str if "int" in kind else str
        if all(isinstance(item, wanted) and not isinstance(item, bool) for item in items):
            return tuple(items)
    if kind.startswith("Mapping") and isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        if all(isinstance(each, str) for each in pairs.values()):
            return MappingProxyType(pairs)
    raise ConfigError(f"{name} cannot be {value!r}")


def _flag(parameters: Mapping[str, Any], name: str) -> bool | None:
    """A parameter as the official backend reads it: its text is true, in any case, or it is not."""
    return _text(parameters, name).strip().lower() in ("true", "yes", "1") if name in parameters else None


def _text(parameters: Mapping[str, Any], name: str) -> str:
    return str(parameters.get(name, {}).get("string_value", ""))
