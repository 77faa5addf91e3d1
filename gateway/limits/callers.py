"""The callers: API keys that are accepted, and what each may use.

`middleware/api_key.py` finds the caller of a request by its key and stores it in the context variable `caller`, where all
code that works for the request reads it. Only the hash of a key is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.limits.quota import Bucket, Quota
from gateway.settings import Settings

_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key. `models` are the names of models that it may use; one that ends with `*` stands for every name
    that begins so. None allows all models."""

    name: str
    models: Sequence[str] | None = None
    quota: Quota = field(default_factory=Quota)

    def may_use(self, model: str) -> bool:
        """Whether this caller may use the model of that name."""
        if self.models is None:
            return True
        return any(
            model.startswith(allowed[:-1]) if allowed.endswith("*") else model == allowed for allowed in self.models
        )


NOBODY: Final = Caller("-", models=())
"""The caller of a request before its key is checked: it may use no model."""

_ITSELF: Final = Caller("-")

caller: ContextVar[Caller] = ContextVar("caller", default=_ITSELF)
"""The caller that the current task works for. Outside of requests it is the gateway itself, which may use every model."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key by its hash. `place` is where it is configured, for error messages."""

    hash: bytes
    caller: Caller
    place: str


def anybody(settings: Settings) -> Caller:
    """The caller of all requests where no keys are configured: all clients share its limits."""
    return Caller("anybody", quota=_quota(settings.requests_per_minute, settings.tokens_per_minute))


def known_keys(settings: Settings) -> list[KnownKey]:
    """All keys, from the settings and from the file.

    Raises ValueError, which names the place, for a malformed key, for a key that is configured twice (which of its rights
    would count?), and for a file without keys, because an empty file must not let everybody in. Raises OSError when the
    file can't be read.
    """
    keys = [*_configured(settings), *_listed(settings)]
    places: dict[bytes, str] = {}
    for key in keys:
        if key.hash in places:
            raise ValueError(f"{key.place} and {places[key.hash]} are the same key")
        places[key.hash] = key.place
    return keys


def _configured(settings: Settings) -> Iterator[KnownKey]:
    for number, entry in enumerate(settings.keys):
        place = f"keys[{number}] ({entry.name})"
        quota = _quota(
            entry.requests_per_minute or settings.requests_per_minute,
            entry.tokens_per_minute or settings.tokens_per_minute,
        )
        yield KnownKey(_hash_of(entry.key, place), Caller(entry.name, entry.models, quota), place)


def _listed(settings: Settings) -> Iterator[KnownKey]:
    """The keys that have the general rights and limits."""
    entries = [(key, f"API key {number}") for number, key in enumerate(settings.api_keys, start=1)]
    if (file := settings.api_keys_file) is not None:
        lines = [line.partition("#")[0].strip() for line in _text(file).splitlines()]
        in_file = [(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1) if line]
        if not in_file:
            raise ValueError(f"{file} holds no API key")
        entries += in_file
    for key, place in entries:
        hash_ = _hash_of(key, place)
        quota = _quota(settings.requests_per_minute, settings.tokens_per_minute)
        yield KnownKey(hash_, Caller(f"key-{hash_.hex()[:8]}", quota=quota), place)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not text in UTF-8; save it anew as UTF-8") from error


def _quota(requests_per_minute: int | None, tokens_per_minute: int | None) -> Quota:
    return Quota(
        None if requests_per_minute is None else Bucket(requests_per_minute),
        None if tokens_per_minute is None else Bucket(tokens_per_minute),
    )


def _hash_of(key: str, place: str) -> bytes:
    if not key.startswith("sha256:"):
        return hashlib.sha256(key.encode()).digest()
    match = _HASH.fullmatch(key)
    if match is None:
        raise ValueError(f"{place}: after 'sha256:' come 64 lower-case hexadecimal digits")
    return bytes.fromhex(match[1])
