"""Applies the limits of a key: a request above them is refused before its body is read, and every answer has headers with
their present state."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import RequestsLimited
from gateway.limits import callers
from gateway.web.error_handlers import error_response
from gateway.web.extensions import dialect_of


class RateLimit:
    """Counts every POST, including those that are refused later. Runs behind ApiKey, which finds the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        quota = callers.caller.get().quota
        if scope["type"] != "http" or scope["method"] != "POST" or not quota.is_limited:
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(dialect_of(scope).limit_headers(quota.limits()))
            await send(message)

        try:
            quota.count_request()
        except RequestsLimited as error:
            await error_response(scope, error)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)
