"""`describe`: what the model is and can, and the files with which a gateway renders and tokenises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ..configuration import environment
from ..contract import records
from ..contract.request import VERSION, Envelope, refuse_prompt
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from .operation import Operation


@dataclass(frozen=True, slots=True)
class Describe:
    """`files` are the names of those to be sent; None for the description alone."""

    rid: str
    files: tuple[str, ...] | None


def read(envelope: Envelope, message: Message) -> Describe:
    refuse_prompt(message)
    files = envelope.get("files")
    if files is None:
        return Describe(envelope["rid"], None)
    if not isinstance(files, list) or not all(isinstance(name, str) for name in cast("list[Any]", files)):
        raise BadRequest("files must be a list of names", param="files")
    return Describe(envelope["rid"], tuple(cast("list[str]", files)))


def run(serving: Serving, request: Describe, call: Call) -> None:
    if request.files is not None:
        rid = call.life.rid
        parts = serving.files.read(request.files)
        announced = [records.part(rid, part.name, part.offset, len(part.data)) for part in parts]
        serving.outbox.post(call.channel, announced, final=False, blobs=[part.data for part in parts])
    call.answer_result(description(serving))


def description(serving: Serving) -> dict[str, Any]:
    """See "Descriptions" in docs/contract.md."""
    facts, files = serving.facts, serving.files
    return {
        "backend": "vllm_custom",
        "contract": [VERSION],
        "engine": facts.engine,
        "engine_version": facts.engine_version,
        "model": serving.model,
        "names": list(facts.names),
        "travel": ["direct", "session"],
        "tasks": list(facts.tasks),
        "context_length": facts.context_length,
        "vocab_size": facts.vocab_size,
        "renderer": "gateway" if files.suffice_for_chat() and not facts.renders else "backend",
        "media": {"image": facts.images} if facts.images else {},
        "loras": serving.engine.loras(),
        "tool_parser": facts.tool_parser,
        "reasoning_parser": facts.reasoning_parser,
        "environment": environment.described(),
        "files": files.as_json(),
    }


DESCRIBE = Operation("describe", frozenset({"files"}), read, run)
