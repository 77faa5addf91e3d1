"""The outermost middleware: the request's id, its headers, its line in the log, its metrics, and the last resort."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import log as log_setup
from gateway import metrics
from gateway.errors import InternalError
from gateway.limits import callers
from gateway.web import extensions
from gateway.web.error_handlers import error_response

log = logging.getLogger(__name__)

_VALID_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class RequestContext:
    """Takes over a client's `x-request-id` when it is harmless, else makes one; both sides find it in their logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _VALID_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"
        log_setup.request_id.set(request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                processing_ms = round((time.monotonic() - started) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", b"%d" % processing_ms),
                    (b"openai-version", b"2020-10-01"),
                ]
            await send(message)

        # A stream's pieces go past all that only looks at the start of an answer: each wrapper costs, per token.
        scope[extensions.SEND_BODY] = send
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("a request failed")
            if not status:
                await error_response(InternalError())(scope, receive, send_with_headers)
        finally:
            extensions.forget(scope)
            _record(scope, status, time.monotonic() - started)


def _record(scope: Scope, status: int, seconds: float) -> None:
    """Labels from closed sets: the route and not the path, a known method or none."""
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.labelled(metrics.REQUESTS, route, method, str(status)).inc()
    metrics.labelled(metrics.REQUEST_SECONDS, route).observe(seconds)
    log.info("%s %s %d %.1f ms for %s", method, route, status, seconds * 1000, callers.caller.get().name)
