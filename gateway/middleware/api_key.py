"""Checks API keys. Every path needs one, except the routes that are listed as public.

Only SHA-256 hashes of the keys are kept, and each request's is compared with all of them in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence, Set

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import Unauthorized
from gateway.limits import callers
from gateway.limits.callers import Caller, KnownKey
from gateway.web.error_handlers import error_response
from gateway.web.extensions import dialect_of


class ApiKey:
    """Refuses requests without a known key, and notes the caller of the others. With no keys configured everybody is let
    in, as `anybody`."""

    def __init__(self, app: ASGIApp, keys: Sequence[KnownKey], anybody: Caller, public: Set[tuple[str, str]]) -> None:
        """`public` holds method and path of the routes that need no key. They are compared with the raw path, without any
        normalisation, so that no other spelling of a path passes as a public one."""
        self._app = app
        self._keys = tuple(keys)
        self._anybody = anybody
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                callers.caller.set(self._caller_of(scope))
            except Unauthorized as error:
                callers.caller.set(callers.NOBODY)
                response = error_response(scope, error)
                response.headers.update(dialect_of(scope).challenge)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller_of(self, scope: Scope) -> Caller:
        if (scope["method"], scope["path"]) in self._public:
            return callers.NOBODY
        return self._find(dialect_of(scope).key_of(Headers(scope=scope))) if self._keys else self._anybody

    def _find(self, key: str) -> Caller:
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        caller = None
        for known in self._keys:
            if hmac.compare_digest(digest, known.hash):
                caller = known.caller
        if caller is None:
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
        return caller
