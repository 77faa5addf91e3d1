"""Server-sent events: the one place where a stream is written.

    200, headers ─ data: chunk … ─ data: [DONE]            the answer is complete
                 └ data: {"error": …}                      it broke: exactly one error event, last, and no [DONE]

Either way the body ends cleanly. A comment is sent when nothing else was for a while, so that proxies keep the connection.
The framing is written by hand: docs/adr/0003-no-sse-starlette.md. The protocol:
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import metrics
from gateway.errors import GatewayError, InternalError
from gateway.routes.disconnect import ClientDisconnected, cancelled_by_disconnect
from gateway.services.streaming import Held

log = logging.getLogger(__name__)

SEND_BODY: Final = "gateway.send_body"
"""Where the scope has the server's own `send`, for the messages behind `http.response.start`."""

_DONE: Final = b"data: [DONE]\n\n"
_PING: Final = b": ping\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the stream
)


def frame(chunks: list[bytes]) -> bytes:
    """Events for the chunks, ready for one write."""
    return b"".join([b"data: " + chunk + b"\n\n" for chunk in chunks])


class EventStream(Response):
    """A response that sends lists of chunks as they come. Closes the source however it ends."""

    def __init__(self, batches: Held[list[bytes]], *, ping_interval_s: float) -> None:
        super().__init__()
        self.raw_headers = list(_HEADERS)
        self._batches = batches
        self._ping_interval_s = ping_interval_s
        self._idle = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with cancelled_by_disconnect(receive):
                await self._send_all(send, scope.get(SEND_BODY, send))
        except ClientDisconnected:
            metrics.DISCONNECTS.labels(scope["route"].path).inc()
        finally:
            await self._batches.aclose()

    async def _send_all(self, send: Send, send_body: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pings = asyncio.create_task(self._ping(send_body))
        try:
            last = await self._send_batches(send_body)
            await send_body({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            pings.cancel()

    async def _send_batches(self, send: Send) -> bytes:
        """Send what comes; the last event is returned, to go with the end of the body."""
        try:
            chunks = await anext(self._batches)
            rest = self._batches.rest
            while True:
                if chunks:
                    self._idle = False
                    await send({"type": "http.response.body", "body": frame(chunks), "more_body": True})
                chunks = await anext(rest)
        except StopAsyncIteration:
            return _DONE
        except GatewayError as error:
            return frame([orjson.dumps(error.envelope())])
        except Exception:
            log.exception("a stream broke")
            return frame([orjson.dumps(InternalError().envelope())])

    async def _ping(self, send: Send) -> None:
        while True:
            self._idle = True
            await asyncio.sleep(self._ping_interval_s)
            if self._idle:
                await send({"type": "http.response.body", "body": _PING, "more_body": True})
