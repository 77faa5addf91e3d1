"""The records of the contract (pure): how they are made, joined and written as JSON.

A record is a list, `[rid, kind, choice, …]`, because it is made once a token and goes straight into JSON. Its first three
elements are read by the constants below, what follows by unpacking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BackendError
from .parsed import joined

Record = list[Any]

# Where these stand in every record; `choice` is None in a record that speaks of the whole request.
RID, KIND, CHOICE = 0, 1, 2

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def accepted(rid: str, prompt_tokens: int) -> Record:
    """The engine has checked the request and queued it."""
    return [rid, "accepted", None, {"prompt_tokens": prompt_tokens}]


def result(rid: str, value: Mapping[str, Any]) -> Record:
    """The answer of an op that has one."""
    return [rid, "result", None, value]


def part(rid: str, name: str, offset: int, size: int) -> Record:
    """A slice of a file, whose bytes travel in the tensor `part`."""
    return [rid, "part", None, name, offset, size]


def frame(sid: str, seq: int) -> Record:
    """The first record of each response of a session."""
    return [sid, "frame", None, seq]


def session_open(sid: str, version: int) -> Record:
    """The session is open, in this version of its frames."""
    return [sid, "session", None, {"version": version}]


def error(rid: str, failure: BackendError) -> Record:
    """The request has failed."""
    return [rid, "error", None, failure.type, failure.code, failure.param, failure.message]


def coalesce(records: Sequence[Record]) -> list[Record]:
    """The same records with the deltas of each choice joined: what gathered while a send was under way goes as one.

    Linear in the number of records; a choice's text never moves behind its `end`.
    """
    if len({record[RID] for record in records}) == len(records):
        return list(records)  # one of each request: a step of the engine, sent at once
    groups: list[list[Record]] = []
    deltas: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        key = (record[RID], record[CHOICE])
        if record[KIND] == "delta" and key in deltas:
            deltas[key].append(record)
            continue
        groups.append([record])
        if record[KIND] == "delta":
            deltas[key] = groups[-1]
        else:
            deltas.pop(key, None)
    return [group[0] if len(group) == 1 else _join(group) for group in groups]


def _join(deltas: Sequence[Record]) -> Record:
    first = deltas[0]
    texts: list[str] = []
    extras: list[Mapping[str, Any]] = []
    token_count = 0
    for _, _, _, text, count, extra in deltas:
        texts.append(text)
        token_count += count
        if extra is not None:
            extras.append(extra)
    return [first[RID], "delta", first[CHOICE], "".join(texts), token_count, joined(extras)]


def encode(records: Sequence[Record]) -> bytes:
    """One JSON array in UTF-8. A lone surrogate, which only a client can have sent, becomes a question mark."""
    return _encoder.encode(records).encode("utf-8", "replace")
