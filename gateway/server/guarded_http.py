"""uvicorn's HTTP protocol, with limits on size and time of a request's head, which uvicorn leaves to a proxy. A request
that is refused here gets OpenAI's error envelope, and its connection is closed.

    connection ── head complete within HEAD_TIMEOUT_S ──> the application
        ├───────── head too slow ──────────> 408; without a word where none of it has come
        ├───────── too large, too many ────> 431
        └───────── not HTTP, no one Host ──> 400
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.errors import BadRequest, GatewayError, HeadersTooLarge, RequestTimeout
from gateway.server.corked import CorkedTransport
from gateway.web.extensions import ON_DISCONNECT, WRITE_PART, OnDisconnect, WritePart
from gateway.web.openai_dialect import OPENAI

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 128
HEAD_TIMEOUT_S: Final = 10.0


class GuardedHttp(HttpToolsProtocol):
    """A connection."""

    head_timeout_s = HEAD_TIMEOUT_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As uvicorn declares it: all transports of a server are."""
        super().connection_made(CorkedTransport(transport))
        self._refused = False
        self._is_silent = True
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._on_disconnect: Callable[[], object] | None = None
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_over()
        super().connection_lost(exc)
        if self._on_disconnect is not None:
            self._on_disconnect()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._is_silent = False
        was_in_head = self._in_head
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_too_large())
        if self._is_idle():
            self._watch_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_is_over()
        if self._refused:
            return
        if (error := self._fault_of_head()) is not None:
            self._refuse(error)
        else:
            super().on_headers_complete()
            scope = cast("dict[str, Any]", self.scope)
            scope[WRITE_PART] = _part_writer(self.cycle)
            scope[ON_DISCONNECT] = self._disconnect_caller(self.cycle)

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Of what the parser can't read."""
        self._refuse(BadRequest(msg))

    def _disconnect_caller(self, cycle: RequestResponseCycle) -> OnDisconnect:
        """What stands in the scope as ON_DISCONNECT. One request of a connection is in work at a time."""

        def on_disconnect(call: Callable[[], object] | None) -> None:
            self._on_disconnect = call
            if call is None:
                return
            self.flow.resume_reading()  # what is not read does not end
            if cycle.disconnected:
                call()

        return on_disconnect

    def _is_idle(self) -> bool:
        """Whether no request is in work."""
        # None until the first head is complete, which uvicorn's annotation does not say.
        cycle = self.cycle
        return cycle is None or cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _fault_of_head(self) -> GatewayError | None:
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            return _too_large()
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) == 1 or (not hosts and self._is_http_1_0()):
            return None
        return BadRequest("A request must have exactly one Host header.")

    def _is_http_1_0(self) -> bool:
        return self.parser is not None and self.parser.get_http_version() == "1.0"

    def _watch_head(self) -> None:
        """Start the one timer of a head, at the connection or its first byte; further bytes do not extend it."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)

    def _head_is_over(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._is_silent:
            self.transport.close()
        else:
            self._refuse(RequestTimeout("The head of the request did not come in time."))

    def _refuse(self, error: GatewayError) -> None:
        """Answer and hang up. An answer that is on its way is not written into: then the connection just ends."""
        self._refused = True
        self._head_is_over()
        if self._is_idle():
            body = OPENAI.error_body(error)
            self.transport.write(
                STATUS_LINE[error.status]
                + b"content-type: application/json\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n" % len(body)
                + body
            )
        self.transport.close()


def _part_writer(cycle: RequestResponseCycle) -> WritePart:
    """What stands in the scope as WRITE_PART: uvicorn's `send` of a part in the middle of a body, without a coroutine, a
    message and the questions that only the first and the last part have to answer."""
    flow, write = cycle.flow, cycle.transport.write

    def write_part(body: bytes) -> bool:
        if flow.write_paused or not cycle.chunked_encoding or cycle.response_complete or cycle.disconnected:
            return False
        write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    return write_part


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"At most {MAX_HEADERS} headers with {MAX_HEAD_BYTES} bytes in all are accepted.")
