"""Answers whose length nobody knows, to clients that know no chunks: HTTP/1.0, where the end of the connection ends a body.
uvicorn would send them chunks."""

from __future__ import annotations

from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def unframed(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """The application for a request of HTTP/1.0, which `cycle` answers and closes."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        has_length = True

        async def send_unframed(message: Any) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
                if not has_length:
                    cycle.chunked_encoding = False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unframed)

    return cast("ASGI3Application", run)
