"""`lora`: load, unload or list the adapters of a model."""

from __future__ import annotations

from ..contract.lora import Lora
from ..contract.request import Envelope, read_timeout, refuse_prompt
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from .operation import Operation


def read(envelope: Envelope, message: Message) -> Lora:
    refuse_prompt(message)
    action, name, path = envelope.get("action"), envelope.get("name", ""), envelope.get("path", "")
    if action not in ("load", "unload", "list"):
        raise BadRequest("action must be 'load', 'unload' or 'list'", param="action")
    if not isinstance(name, str) or (not name and action != "list"):
        raise BadRequest("name must be a text that is not empty", param="name")
    if not isinstance(path, str) or (not path and action == "load"):
        raise BadRequest("path must be a text that is not empty", param="path")
    return Lora(envelope["rid"], action, name, path, read_timeout(envelope, message))


def run(serving: Serving, request: Lora, call: Call) -> None:
    serving.run_for_result(request, call)


LORA = Operation("lora", frozenset({"action", "name", "path", "timeout_ms"}), read, run)
