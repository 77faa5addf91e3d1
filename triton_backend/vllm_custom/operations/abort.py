"""`abort`: end another request by its rid."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.request import RID, Envelope, read_session, refuse_prompt
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from .operation import Operation


@dataclass(frozen=True, slots=True)
class Abort:
    rid: str
    target: str


def read(envelope: Envelope, message: Message) -> Abort:
    refuse_prompt(message)
    target = envelope.get("target")
    if not isinstance(target, str) or not RID.fullmatch(target):
        raise BadRequest("target must be the rid of a request", param="target")
    read_session(envelope)
    return Abort(envelope["rid"], target)


def run(serving: Serving, request: Abort, call: Call) -> None:
    call.answer_result({"aborted": serving.running.abort(request.target)})


ABORT = Operation("abort", frozenset({"target", "session"}), read, run)
