"""Keys: every route wants one but those that are listed as public. What matches no route wants one too.

Only SHA-256 hashes of the keys are kept, and each request's is compared with all of them in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import callers
from gateway.callers import Caller, KnownKey
from gateway.errors import Unauthorized
from gateway.routes.error_handlers import error_response


class ApiKey:
    """Refuses requests without a known key, and notes the caller of the others. With no keys configured everybody is let
    in, as `anybody`."""

    def __init__(self, app: ASGIApp, keys: Sequence[KnownKey], anybody: Caller, public: Sequence[BaseRoute]) -> None:
        self._app = app
        self._keys = tuple(keys)
        self._anybody = anybody
        self._public = tuple(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                callers.caller.set(self._caller_of(scope))
            except Unauthorized as error:
                callers.caller.set(callers.NOBODY)
                response = error_response(error)
                response.headers["www-authenticate"] = "Bearer"
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller_of(self, scope: Scope) -> Caller:
        if self._is_public(scope):
            return callers.NOBODY
        return self._find(Headers(scope=scope)) if self._keys else self._anybody

    def _is_public(self, scope: Scope) -> bool:
        """By the routes themselves, which match exactly as the router will: a path has no second reading."""
        return any(route.matches(scope)[0] is Match.FULL for route in self._public)

    def _find(self, headers: Headers) -> Caller:
        given = headers.getlist("authorization")
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        key = key.strip(" \t")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized(
                "You didn't provide an API key. Provide it in an Authorization header using Bearer auth"
                " (i.e. Authorization: Bearer YOUR_KEY)."
            )
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        caller = None
        for known in self._keys:
            if hmac.compare_digest(digest, known.hash):
                caller = known.caller
        if caller is None:
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
        return caller
