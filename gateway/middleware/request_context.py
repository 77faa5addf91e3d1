"""The outermost middleware: gives the request its id, headers, log line and metrics, and answers 500 to an
exception that nothing else has caught."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import request_record
from gateway.errors import InternalError
from gateway.ids import new_id
from gateway.limits import callers
from gateway.web import extensions
from gateway.web.dialect import Dialect
from gateway.web.error_handlers import error_response
from gateway.web.openai_dialect import OPENAI

log = logging.getLogger(__name__)

_VALID_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class RequestContext:
    """Keeps a client's `x-request-id` if it is harmless, else makes one, so that both sides can find the request in their
    logs."""

    def __init__(self, app: ASGIApp, dialects: Mapping[str, Dialect]) -> None:
        """`dialects` by path; any other path is OpenAI's."""
        self._app = app
        self._dialects = dict(dialects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        record = request_record.begin(given if _VALID_ID.fullmatch(given) else new_id("req_"))
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", record.id.encode()),
                    (b"openai-processing-ms", b"%d" % round(record.age_s * 1000)),
                    (b"openai-version", b"2020-10-01"),
                ]
            await send(message)

        scope[extensions.DIALECT] = self._dialects.get(scope["path"], OPENAI)
        # A stream's pieces go past all that only looks at the start of an answer: each wrapper costs, per token.
        scope[extensions.SEND_BODY] = send
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("a request failed")
            if not status:
                await error_response(scope, InternalError())(scope, receive, send_with_headers)
        finally:
            extensions.forget(scope)
            record.ended(
                method=scope["method"] if scope["method"] in _METHODS else "other",
                route=getattr(scope.get("route"), "path", "none"),
                status=status,
                caller=callers.caller.get().name,
            )
