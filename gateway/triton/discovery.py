"""Which models a Triton serves, read from their configurations. `docs/contract.md` has the table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from gateway.triton.client import TritonClient
from gateway.triton.tensors import MAX_TOKENS_PARAMETER, REQUEST, TASK_PARAMETER

log = logging.getLogger(__name__)

GENERATION: Final = "generation"
"""The task of a model that speaks our contract and says nothing else."""

ASSETS: Final = "assets"
"""Task, and name, of the model that serves the files of those which can't describe themselves."""


@dataclass(frozen=True, slots=True)
class DiscoveredModel:
    """A model of Triton's that says what it is for.

    `task` is its `openai_task`; whether there is a kind of model for it, `models/kinds.py` knows. `max_batch_size` and
    `max_tokens` (the longest input) are those of its configuration; 0 where it says nothing.
    """

    name: str
    task: str
    max_batch_size: int = 0
    max_tokens: int = 0


async def discover(client: TritonClient, name: str) -> DiscoveredModel | None:
    """What a model of Triton's is to this gateway, None for nothing. Raises GatewayError when Triton can't be asked."""
    return from_config(await client.model_config(name))


def from_config(config: Any) -> DiscoveredModel | None:
    """The model that a ModelConfig describes; None when it does not say what it is for."""
    task = config.parameters[TASK_PARAMETER].string_value if TASK_PARAMETER in config.parameters else ""
    if not task:
        is_native = any(tensor.name == REQUEST for tensor in config.input)
        return DiscoveredModel(config.name, GENERATION) if is_native else None
    return DiscoveredModel(config.name, task, max(1, config.max_batch_size), _max_tokens(config))


def _max_tokens(config: Any) -> int:
    if MAX_TOKENS_PARAMETER not in config.parameters:
        return 0
    value = config.parameters[MAX_TOKENS_PARAMETER].string_value
    if not value.isdecimal():
        log.warning("model %s: max_tokens is %r and not a number; taken as unlimited", config.name, value)
        return 0
    return int(value)
