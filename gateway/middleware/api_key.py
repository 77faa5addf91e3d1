"""Keys: every route wants one but those that are listed as public. What matches no route wants one too.

Only SHA-256 hashes of the keys are kept, and each request's is compared with all of them in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import Unauthorized
from gateway.routes.error_handlers import error_response

_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")


def key_hashes(keys: Iterable[str], file: Path | None) -> list[bytes]:
    """The hashes of all keys, from the settings and from the file.

    Raises ValueError, naming the line, when the file holds something else, or no key at all: an empty file is a mistake that
    must not open the door. OSError when it can't be read.
    """
    hashes = [_hash_of(key, f"API key {number}") for number, key in enumerate(keys, start=1)]
    if file is None:
        return hashes
    lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    listed = [_hash_of(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1) if line]
    if not listed:
        raise ValueError(f"{file} holds no API key")
    return hashes + listed


def _hash_of(key: str, place: str) -> bytes:
    if not key.startswith("sha256:"):
        return hashlib.sha256(key.encode()).digest()
    match = _HASH.fullmatch(key)
    if match is None:
        raise ValueError(f"{place}: after 'sha256:' come 64 lower-case hexadecimal digits")
    return bytes.fromhex(match[1])


class ApiKey:
    """Refuses requests without a known key. With no keys configured everybody is let in."""

    def __init__(self, app: ASGIApp, hashes: Sequence[bytes], public: Sequence[BaseRoute]) -> None:
        self._app = app
        self._hashes = tuple(hashes)
        self._public = tuple(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._hashes and not self._is_public(scope):
            try:
                self._check(Headers(scope=scope))
            except Unauthorized as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        """By the routes themselves, which match exactly as the router will: a path has no second reading."""
        return any(route.matches(scope)[0] is Match.FULL for route in self._public)

    def _check(self, headers: Headers) -> None:
        given = headers.getlist("authorization")
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        key = key.strip(" \t")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized(
                "You didn't provide an API key. Provide it in an Authorization header using Bearer auth"
                " (i.e. Authorization: Bearer YOUR_KEY)."
            )
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        known = False
        for hash_ in self._hashes:
            known |= hmac.compare_digest(digest, hash_)
        if not known:
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
