"""Envelopes to request values (pure): everything that can be refused without asking the engine is refused here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from ..configuration.settings import CONTROL_OPS
from ..errors import BadRequest
from .conversation import Conversation, read_conversation
from .pooling import (
    CLASSIFY_KEYS,
    LORA_KEYS,
    POOL_KEYS,
    SCORE_KEYS,
    Lora,
    Pool,
    lora_of,
    read_classify,
    read_embed,
    read_lora,
    read_score,
)
from .tensors import Message

VERSION = 1
RID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Api = Literal["chat", "completions"]


@dataclass(frozen=True, slots=True)
class Describe:
    rid: str
    files: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Generate:
    """Exactly one of `prompt`, `token_ids` and `conversation` is given. `body` has still to pass the engine's own request
    class."""

    rid: str
    api: Api
    body: Mapping[str, Any]
    prompt: str | None
    token_ids: Sequence[int] | None
    adapter: str | None = None
    # Seconds from its arrival until it ends with a `timeout`.
    timeout: float | None = None
    session: str | None = None
    conversation: Conversation | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    rid: str
    target: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`rid` is the id of the session, here and in the two below."""

    rid: str
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    rid: str


@dataclass(frozen=True, slots=True)
class CloseSession:
    rid: str


@dataclass(frozen=True, slots=True)
class Stats:
    rid: str


@dataclass(frozen=True, slots=True)
class Health:
    rid: str


@dataclass(frozen=True, slots=True)
class Control:
    """One of `settings.CONTROL_OPS`. `timeout` as in Generate."""

    rid: str
    op: str
    options: Mapping[str, Any]
    timeout: float | None


Request = Describe | Generate | Abort | Stats | Health | Control | Pool | Lora | OpenSession | Ping | CloseSession

# A day: longer than any request, and no float is overrun.
MOST_TIMEOUT_MS = 86_400_000

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


def decode(message: Message) -> Mapping[str, Any]:
    """The envelope as a JSON object, whatever else is wrong with it."""
    try:
        envelope = json.loads(message.envelope, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the envelope is not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise BadRequest("the envelope is not a JSON object")
    return cast("dict[str, Any]", envelope)


def rid_of(envelope: Mapping[str, Any]) -> str:
    """The rid, or an empty one when the envelope has none that can be repeated in a record."""
    rid = envelope.get("rid")
    return rid if isinstance(rid, str) and RID.fullmatch(rid) else ""


def session_of(envelope: Mapping[str, Any]) -> str | None:
    """The session by which the answer travels; None when the envelope names none that could be one."""
    session = envelope.get("session")
    return session if isinstance(session, str) and RID.fullmatch(session) else None


def parse(envelope: Mapping[str, Any], message: Message) -> Request:
    """Raises BadRequest, naming the key at fault."""
    version = envelope.get("v")
    if isinstance(version, bool) or version != VERSION:
        raise BadRequest(f"version {version!r} of the contract is not known here, only {VERSION}", param="v")
    if not rid_of(envelope):
        raise BadRequest("rid must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -", param="rid")
    op = envelope.get("op")
    if not isinstance(op, str) or op not in OPERATIONS:
        raise BadRequest(f"op {op!r} is not known here", param="op")
    operation = OPERATIONS[op]
    for key in envelope:
        if key not in operation.keys and key not in COMMON_KEYS:
            raise BadRequest(f"{op} does not know the key {key!r}", param=key)
    return operation.read(envelope, message)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _describe(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    files = envelope.get("files")
    if files is None:
        return Describe(envelope["rid"], None)
    if not isinstance(files, list) or not all(isinstance(name, str) for name in cast("list[Any]", files)):
        raise BadRequest("files must be a list of names", param="files")
    return Describe(envelope["rid"], tuple(cast("list[str]", files)))


def _abort(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    target = envelope.get("target")
    if not isinstance(target, str) or not RID.fullmatch(target):
        raise BadRequest("target must be the rid of a request", param="target")
    _check_session(envelope)
    return Abort(envelope["rid"], target)


def _open_session(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    versions = envelope.get("versions")
    if not isinstance(versions, list) or not all(type(version) is int for version in cast("list[Any]", versions)):
        raise BadRequest("versions must be a list of numbers", param="versions")
    return OpenSession(envelope["rid"], tuple(cast("list[int]", versions)))


def _ping(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    return Ping(envelope["rid"])


def _close(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    return CloseSession(envelope["rid"])


def _check_session(envelope: Mapping[str, Any]) -> None:
    if "session" in envelope and session_of(envelope) is None:
        raise BadRequest("session must be the id of a session", param="session")


def _stats(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    return Stats(envelope["rid"])


def _lora(envelope: Mapping[str, Any], message: Message) -> Lora:
    _no_prompt(message)
    return read_lora(envelope, message)


def _health(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    return Health(envelope["rid"])


def _control(envelope: Mapping[str, Any], message: Message) -> Request:
    _no_prompt(message)
    level = envelope.get("level", 1)
    if isinstance(level, bool) or level not in (1, 2):
        raise BadRequest("level must be 1 or 2", param="level")
    options = {"level": int(level)} if envelope["op"] == "sleep" else {}
    return Control(envelope["rid"], envelope["op"], options, _timeout(envelope, message))


def _timeout(envelope: Mapping[str, Any], message: Message) -> float | None:
    """The shorter of the envelope's and of Triton's own, in seconds."""
    asked = envelope.get("timeout_ms")
    if asked is None:
        return message.timeout_us / 1e6 if message.timeout_us > 0 else None
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= MOST_TIMEOUT_MS:
        raise BadRequest(f"timeout_ms must be a whole number from 1 to {MOST_TIMEOUT_MS}", param="timeout_ms")
    return min(asked / 1e3, message.timeout_us / 1e6) if message.timeout_us > 0 else asked / 1e3


def _generate(envelope: Mapping[str, Any], message: Message) -> Request:
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
    _check_session(envelope)
    return Generate(
        envelope["rid"],
        api,
        _body(envelope),
        prompt,
        token_ids,
        adapter=lora_of(envelope),
        timeout=_timeout(envelope, message),
        session=session_of(envelope),
        conversation=None if messages is None else read_conversation(messages, message.media),
    )


def _body(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
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


def _no_prompt(message: Message) -> None:
    if message.token_ids is not None or message.media:
        raise BadRequest("this op takes no token_ids or media", param="token_ids")


@dataclass(frozen=True, slots=True)
class _Operation:
    keys: frozenset[str]
    read: Callable[[Mapping[str, Any], Message], Request]


def _in_time(
    read: Callable[[Mapping[str, Any], Message], Pool | Lora],
) -> Callable[[Mapping[str, Any], Message], Request]:
    """What is read, with its deadline."""
    return lambda envelope, message: replace(read(envelope, message), timeout=_timeout(envelope, message))


COMMON_KEYS = frozenset({"v", "op", "rid"})
OPERATIONS: Mapping[str, _Operation] = {
    "describe": _Operation(frozenset({"files"}), _describe),
    "generate": _Operation(
        frozenset({"api", "body", "prompt", "messages", "lora", "timeout_ms", "session"}), _generate
    ),
    "abort": _Operation(frozenset({"target", "session"}), _abort),
    "session": _Operation(frozenset({"versions"}), _open_session),
    "ping": _Operation(frozenset(), _ping),
    "close": _Operation(frozenset(), _close),
    "stats": _Operation(frozenset(), _stats),
    "health": _Operation(frozenset(), _health),
    "embed": _Operation(POOL_KEYS, _in_time(read_embed)),
    "classify": _Operation(CLASSIFY_KEYS, _in_time(read_classify)),
    "score": _Operation(SCORE_KEYS, _in_time(read_score)),
    "lora": _Operation(LORA_KEYS, _in_time(_lora)),
    "sleep": _Operation(frozenset({"level", "timeout_ms"}), _control),
    **{name: _Operation(frozenset({"timeout_ms"}), _control) for name in CONTROL_OPS if name != "sleep"},
}
