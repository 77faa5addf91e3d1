"""Our errors with the official backend's texts, and with Triton's codes, where that backend uses INTERNAL for everything.

Triton's streaming calls carry only the text; HTTP turns the code into a status.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadRequest, NotFound, Unavailable

# Error type of ours: the name of Triton's code for it.
STATUS: Mapping[str, str] = {
    "bad_request": "INVALID_ARG",
    "not_found": "NOT_FOUND",
    "overloaded": "UNAVAILABLE",
    "unavailable": "UNAVAILABLE",
    "cancelled": "CANCELLED",
    "timeout": "UNAVAILABLE",
    "internal": "INTERNAL",
}
PREFIX = "Error generating stream: "
CANCELLED = "Request was cancelled"
# Marks the errors that the official backend finds before it generates, and sends without the prefix.
EARLY = "early"


def message(type_: str, code: str | None, text: str) -> str:
    """What a client of the official backend reads."""
    if type_ == "cancelled":
        return CANCELLED
    return text if code == EARLY else PREFIX + text


def lora_is_off() -> BadRequest:
    return BadRequest("LoRA feature is not enabled.", param="lora_name", code=EARLY)


def lora_is_unknown(name: str, known: list[str]) -> NotFound:
    return NotFound(f"LoRA {name} is not supported, we currently support {known}", param="lora_name", code=EARLY)


def task_is_missing(model: str, task: str) -> BadRequest:
    return BadRequest(f"Model {model} does not support '{task}' request")


def engine_is_unhealthy() -> Unavailable:
    return Unavailable("Model is unavailable due to unhealthy vLLM engine", code=EARLY)
