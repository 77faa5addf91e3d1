"""uvicorn's HTTP protocol, with limits on size and time of a request's head, which uvicorn leaves to a proxy. A request
that is refused here gets OpenAI's error envelope, and its connection is closed.

    first byte ── head complete within HEAD_TIMEOUT_S ──> the application
        ├───────── head too slow ──────────> 408
        ├───────── too large, too many ────> 431
        ├───────── not HTTP, no one Host ──> 400
        └───────── CONNECT ────────────────> 405

No other protocol is spoken here. An offer to change to one (`Upgrade`) is ignored, as RFC 9110 allows (section 7.8), and
its request is answered as if it had none: the parser would take the bytes behind the head for the other protocol.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.errors import BadRequest, GatewayError, HeadersTooLarge, MethodNotAllowed, RequestTimeout
from gateway.server.corked import CorkedTransport
from gateway.server.unframed import unframed
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
        self._is_offer = False
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._on_disconnect: Callable[[], object] | None = None
        # Pools open connections ahead of their requests: one without a byte is as idle as one between two requests.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_over()
        super().connection_lost(exc)
        if self._on_disconnect is not None:
            self._on_disconnect()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head = self._in_head
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._refused or self.transport.is_closing():
            return
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_too_large())
        if self._is_idle():
            self._watch_head()

    def _feed(self, data: bytes) -> None:
        """To the parser, which stops behind each head that offers an upgrade."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stopped:
                if self._refused:
                    return
                self._is_offer = False
                self.parser = _parser(self)
                self.parser.feed_data(self._head_without_upgrade())
                data = data[stopped.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """The head that has just been read. What makes the parser stop is the header `Upgrade`."""
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(lines))

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
        elif self.parser.should_upgrade():
            self._is_offer = True
            self.scope["method"] = self.parser.get_method().decode("ascii")
            self.scope["http_version"] = self.parser.get_http_version()
        else:
            super().on_headers_complete()
            scope = cast("dict[str, Any]", self.scope)
            scope[WRITE_PART] = _part_writer(self.cycle)
            scope[ON_DISCONNECT] = self._disconnect_caller(self.cycle)

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused and not self._is_offer:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Of what the parser can't read."""
        self._refuse(BadRequest(msg))

    def timeout_keep_alive_handler(self) -> None:
        """A request that has come in the meantime is answered: the event loop calls timers before it reads."""
        if self._has_unread():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, unframed(app, cycle) if cycle.scope["http_version"] == "1.0" else app)

    def _has_unread(self) -> bool:
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

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
        if self.parser.get_method() == b"CONNECT":
            return MethodNotAllowed("This is no proxy: CONNECT is not allowed.")
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            return _too_large()
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) == 1 or (not hosts and self._is_http_1_0()):
            return None
        return BadRequest("A request must have exactly one Host header.")

    def _is_http_1_0(self) -> bool:
        return self.parser.get_http_version() == "1.0"

    def _watch_head(self) -> None:
        """Start the one timer of a head, at its first byte; further bytes do not extend it."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)

    def _head_is_over(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
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


def _parser(connection: GuardedHttp) -> httptools.HttpRequestParser:
    """As uvicorn makes it."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


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
