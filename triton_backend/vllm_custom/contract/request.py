"""What the ops of the contract share when an envelope is read (pure).

Every op is a file in `operations/`, with its own keys. Everything that can be refused without asking the engine is refused
while a request is read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from ..errors import BadRequest
from .tensors import Message

Envelope = Mapping[str, Any]

VERSION = 1
RID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# Every op has these, besides its own.
COMMON_KEYS = frozenset({"v", "op", "rid"})
# A day: longer than any request, and no float is overrun.
MOST_TIMEOUT_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Bare:
    """A request of an op that has no keys of its own."""

    rid: str


def decode(message: Message) -> Envelope:
    """The envelope as a JSON object, whatever else is wrong with it. Raises BadRequest."""
    try:
        envelope = json.loads(message.envelope, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the envelope is not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise BadRequest("the envelope is not a JSON object")
    return cast("dict[str, Any]", envelope)


def rid_of(envelope: Envelope) -> str:
    """The rid, or an empty one when the envelope has none that can be repeated in a record."""
    rid = envelope.get("rid")
    return rid if isinstance(rid, str) and RID.fullmatch(rid) else ""


def session_of(envelope: Envelope) -> str | None:
    """The session by which the answer travels; None when the envelope names none that could be one."""
    session = envelope.get("session")
    return session if isinstance(session, str) and RID.fullmatch(session) else None


def check_version_and_rid(envelope: Envelope) -> None:
    """Raises BadRequest for another version of the contract, or a rid that is none."""
    version = envelope.get("v")
    if isinstance(version, bool) or version != VERSION:
        raise BadRequest(f"version {version!r} of the contract is not known here, only {VERSION}", param="v")
    if not rid_of(envelope):
        raise BadRequest("rid must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -", param="rid")


def check_keys(op: str, envelope: Envelope, keys: Set[str]) -> None:
    """Raises BadRequest for the first key that the op does not have."""
    for key in envelope:
        if key not in keys and key not in COMMON_KEYS:
            raise BadRequest(f"{op} does not know the key {key!r}", param=key)


def refuse_prompt(message: Message) -> None:
    """For an op that takes no prompt. Raises BadRequest when there are tensors of one."""
    if message.token_ids is not None or message.media:
        raise BadRequest("this op takes no token_ids or media", param="token_ids")


def read_bare(envelope: Envelope, message: Message) -> Bare:
    """A request without keys of its own. Raises BadRequest."""
    refuse_prompt(message)
    return Bare(envelope["rid"])


def read_session(envelope: Envelope) -> str | None:
    """As `session_of`. Raises BadRequest where the key is there and names none that could be one."""
    session = session_of(envelope)
    if session is None and "session" in envelope:
        raise BadRequest("session must be the id of a session", param="session")
    return session


def read_timeout(envelope: Envelope, message: Message) -> float | None:
    """The shorter of the envelope's deadline and of Triton's own, in seconds; None without any. Raises BadRequest."""
    requested = envelope.get("timeout_ms")
    if requested is None:
        return message.timeout_us / 1e6 if message.timeout_us > 0 else None
    if isinstance(requested, bool) or not isinstance(requested, int) or not 1 <= requested <= MOST_TIMEOUT_MS:
        raise BadRequest(f"timeout_ms must be a whole number from 1 to {MOST_TIMEOUT_MS}", param="timeout_ms")
    return min(requested / 1e3, message.timeout_us / 1e6) if message.timeout_us > 0 else requested / 1e3


def read_adapter(envelope: Envelope) -> str | None:
    """The name of the LoRA adapter that a request wants, if it wants one. Raises BadRequest."""
    name = envelope.get("lora")
    if name is not None and (not isinstance(name, str) or not name):
        raise BadRequest("lora must be the name of an adapter", param="lora")
    return name


def _finite(text: str) -> float:
    """A number that overflows would reach prompts and grammars as `Infinity`."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:32]} is beyond what a number can be")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
