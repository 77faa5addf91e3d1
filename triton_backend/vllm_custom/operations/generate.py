"""`generate`: text of a prompt, for the APIs chat and completions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..contract.conversation import read_conversation
from ..contract.generate import Generate
from ..contract.request import Envelope, read_adapter, read_session, read_timeout
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from ..serving.running_generation import RunningGeneration
from .operation import Operation

logger = logging.getLogger(__name__)

# Fields of vLLM's request classes that speak of what the gateway does, or of what a delta cannot carry. A request that
# sets one of them is refused: it would otherwise get another answer than it asked for.
FOREIGN_FIELDS: Mapping[str, str] = {
    "messages": "they travel beside the body",
    "prompt": "the prompt travels beside the body",
    "prompt_embeds": "embeddings as prompts are not supported",
    "suffix": "infilling is not supported",
    "use_beam_search": "beam search is not supported",
    "truncate_prompt_tokens": "the gateway decides the length of the prompt",
}


def read(envelope: Envelope, message: Message) -> Generate:
    api = envelope.get("api")
    if api not in ("chat", "completions"):
        raise BadRequest("api must be 'chat' or 'completions'", param="api")
    prompt, messages = envelope.get("prompt"), envelope.get("messages")
    if [prompt is None, messages is None, message.token_ids is None].count(False) != 1:
        raise BadRequest(
            "a prompt is either the tensor token_ids, the key prompt or the key messages, and only one of them",
            param="prompt",
        )
    if prompt is not None and (not isinstance(prompt, str) or not prompt):
        raise BadRequest("prompt must be a text that is not empty", param="prompt")
    if messages is not None and api != "chat":
        raise BadRequest("messages are a prompt of chat only", param="messages")
    if messages is None and message.media:
        raise BadRequest("images come with the key messages, which says where they stand", param="media")
    token_ids = None if message.token_ids is None else _token_ids(message.token_ids)
    session = read_session(envelope)
    return Generate(
        envelope["rid"],
        api,
        _body(envelope),
        prompt,
        token_ids,
        adapter=read_adapter(envelope),
        timeout=read_timeout(envelope, message),
        session=session,
        conversation=None if messages is None else read_conversation(messages, message.media),
    )


def run(serving: Serving, request: Generate, call: Call) -> None:
    serving.gate.check_serving()
    if request.session is None:
        channel = transport = call.channel
    else:
        channel, transport = None, serving.sessions.get(request.session)
        if transport.has(request.rid):
            # An error would carry the rid of the first, and end that at the client. Nobody waits for the second.
            logger.warning("request %s came twice in its session; the second is dropped", request.rid)
            return
    generation = RunningGeneration(call.life, channel, serving.engine.abort)
    submit = serving.engine.submit
    serving.supervisor.run(generation, transport, request.timeout, lambda: submit(request, generation))


def _body(envelope: Envelope) -> Mapping[str, Any]:
    body = envelope.get("body", {})
    if not isinstance(body, dict):
        raise BadRequest("body must be an object", param="body")
    fields = cast("dict[str, Any]", body)
    for name, reason in FOREIGN_FIELDS.items():
        if fields.get(name):
            raise BadRequest(f"{name}: {reason}", param=name)
    return {name: value for name, value in fields.items() if name not in FOREIGN_FIELDS}


def _token_ids(tensor: NDArray[np.int32]) -> list[int]:
    if tensor.ndim != 1 or tensor.size == 0:
        raise BadRequest("token_ids must be one row of at least one token", param="token_ids")
    if int(tensor.min()) < 0:
        raise BadRequest("token_ids must not be negative", param="token_ids")
    return tensor.tolist()


KEYS = frozenset({"api", "body", "prompt", "messages", "lora", "timeout_ms", "session"})
GENERATE = Operation("generate", KEYS, read, run)
