"""Server-sent events: the one place where a stream is written.

    200, headers ─ data: chunk … ─ data: [DONE]            the answer is complete
                 └ data: {"error": …}                      it broke: exactly one error event, last, and no [DONE]

Either way the body ends cleanly. A comment is sent when nothing else was for a while, so that proxies keep the connection.
The framing is written by hand because sse-starlette spends more per event on it than the rest of the path together; what
it does well (pings, noticing that the client has left) is done here per stream and costs nothing per event. The protocol:
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import metrics
from gateway.errors import GatewayError, InternalError
from gateway.routes.disconnect import ClientDisconnected, cancelled_by_disconnect

log = logging.getLogger(__name__)

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

    def __init__(self, batches: AsyncGenerator[list[bytes], None], *, ping_interval_s: float) -> None:
        super().__init__()
        self.raw_headers = list(_HEADERS)
        self._batches = batches
        self._ping_interval_s = ping_interval_s
        self._idle = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pings = asyncio.create_task(self._ping(send))
        try:
            async with cancelled_by_disconnect(receive):
                last = await self._send_batches(send)
                await send({"type": "http.response.body", "body": last, "more_body": False})
        except ClientDisconnected:
            metrics.DISCONNECTS.labels(scope["route"].path).inc()
        finally:
            pings.cancel()
            await self._batches.aclose()

    async def _send_batches(self, send: Send) -> bytes:
        """Send what comes; the last event is returned, to go with the end of the body."""
        try:
            async for chunks in self._batches:
                if chunks:
                    self._idle = False
                    await send({"type": "http.response.body", "body": frame(chunks), "more_body": True})
        except GatewayError as error:
            return frame([orjson.dumps(error.envelope())])
        except Exception:
            log.exception("a stream broke")
            return frame([orjson.dumps(InternalError().envelope())])
        return _DONE

    async def _ping(self, send: Send) -> None:
        while True:
            self._idle = True
            await asyncio.sleep(self._ping_interval_s)
            if self._idle:
                await send({"type": "http.response.body", "body": _PING, "more_body": True})
