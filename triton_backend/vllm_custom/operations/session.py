"""`session`, `ping` and `close`: one response stream for everything that a gateway worker asks of this model.

Their rid is the id of the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ..contract.request import Bare, Envelope, read_bare, refuse_prompt
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from .operation import Operation


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`versions` are those of sessions that the client speaks."""

    rid: str
    versions: tuple[int, ...]


def read_open(envelope: Envelope, message: Message) -> OpenSession:
    refuse_prompt(message)
    versions = envelope.get("versions")
    if not isinstance(versions, list) or not all(type(version) is int for version in cast("list[Any]", versions)):
        raise BadRequest("versions must be a list of numbers", param="versions")
    return OpenSession(envelope["rid"], tuple(cast("list[int]", versions)))


def run_open(serving: Serving, request: OpenSession, call: Call) -> None:
    serving.gate.check_serving()
    serving.sessions.open(request.rid, request.versions, call.channel)
    serving.poller.wake()


def run_ping(serving: Serving, request: Bare, call: Call) -> None:
    serving.sessions.get(request.rid).touch()
    call.answer()


def run_close(serving: Serving, request: Bare, call: Call) -> None:
    serving.sessions.get(request.rid).close()
    call.answer()


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation("session", frozenset({"versions"}), read_open, run_open),
    Operation("ping", frozenset(), read_bare, run_ping),
    Operation("close", frozenset(), read_bare, run_close),
)
