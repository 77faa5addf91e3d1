"""Bodies that are too large, too slow or not JSON are refused before anybody parses them; compressed ones are decoded."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import GatewayError, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from gateway.middleware.decoding import ENCODINGS, decoded, encoding_of
from gateway.web.error_handlers import error_response


class BodyLimit:
    """Reads the whole body, at most `max_bytes` in at most `timeout_s`, and hands it on in one message.

    A body whose Content-Length is too large is refused unread; one without or with a false length, as soon as it is too
    large. Both are said of a compressed body too, and of what it is when it is decoded.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            self._check_headers(headers)
            encoding = encoding_of(headers.get("content-encoding", ""))
            first = await self._read_in_time(receive)
            if encoding and first is not None and first["type"] == "http.request":
                # In a thread: a small body may be a large one.
                first["body"] = await asyncio.to_thread(decoded, first["body"], encoding, self._max_bytes)
        except RequestTimeout as error:
            response = error_response(scope, error)
            response.headers["connection"] = "close"  # the rest of the body is not waited for
            await response(scope, receive, send)
            return
        except UnsupportedMediaType as error:
            response = error_response(scope, error)
            response.headers["accept-encoding"] = ", ".join(ENCODINGS)
            await response(scope, receive, send)
            return
        except GatewayError as error:
            await error_response(scope, error)(scope, receive, send)
            return

        async def receive_body() -> Message:
            nonlocal first
            if first is None:
                return await receive()
            message, first = first, None
            return message

        await self._app(scope, receive_body, send)

    def _check_headers(self, headers: Headers) -> None:
        media_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType(
                f"Unsupported content type '{media_type[:100]}': send the body with 'Content-Type: application/json'."
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_large()

    async def _read_in_time(self, receive: Receive) -> Message | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(receive)
        except TimeoutError:
            raise RequestTimeout("The body of the request did not come in time.") from None

    async def _read(self, receive: Receive) -> Message | None:
        """The body as one message, or the disconnect message if the client left while sending it."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"Request body too large: at most {self._max_bytes} bytes are accepted.")
