"""The ops of the contract, a file each; this is the list of them. docs/contract.md says what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract.request import Envelope, check_version_and_rid
from ..errors import BadRequest
from . import abort, control, describe, generate, health, lora, pool, session, stats
from .operation import Operation

ALL: tuple[Operation[Any], ...] = (
    describe.DESCRIBE,
    generate.GENERATE,
    abort.ABORT,
    *session.OPERATIONS,
    stats.STATS,
    health.HEALTH,
    *pool.OPERATIONS,
    lora.LORA,
    *control.OPERATIONS,
)
BY_NAME: Mapping[str, Operation[Any]] = {operation.name: operation for operation in ALL}


def find(envelope: Envelope) -> Operation[Any]:
    """The op that an envelope asks for. Raises BadRequest, naming the key at fault."""
    check_version_and_rid(envelope)
    name = envelope.get("op")
    if not isinstance(name, str) or name not in BY_NAME:
        raise BadRequest(f"op {name!r} is not known here", param="op")
    return BY_NAME[name]
