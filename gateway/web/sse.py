"""Server-sent events: the only module that writes streams.

    200, headers ─ data: chunk … ─ data: [DONE]            the answer is complete
                 └ data: {"error": …}                      it broke: exactly one error event, last, and no [DONE]

Either way the body ends cleanly. (So it is in OpenAI's dialect; events and ends are those of the API's own.) A ping is sent
when nothing else was for a while, so that proxies keep the connection.
The framing is written by hand: docs/adr/0003-no-sse-starlette.md. The protocol:
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway import request_record
from gateway.answers.chunks import ChunkSink
from gateway.errors import GatewayError, InternalError
from gateway.generation import Backpressure
from gateway.web import eager
from gateway.web.dialect import Dialect
from gateway.web.disconnect import CancelledByDisconnect, ClientDisconnected
from gateway.web.extensions import SEND_BODY, WRITE_PART, WritePart, dialect_of
from gateway.web.openai_dialect import OPENAI

log = logging.getLogger(__name__)

_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the stream
)


def _write_nothing(_: bytes) -> bool:
    return False


class EventWriter:
    """Writes events from plain calls. Made in the event loop that uses it; `close` it there."""

    __slots__ = (
        "_draining",
        "_event",
        "_idle",
        "_loop",
        "_open",
        "_ping_event",
        "_ping_interval_s",
        "_send",
        "_send_body",
        "_timer",
        "_unsent",
        "_write_part",
    )

    def __init__(
        self,
        send: Send,
        send_body: Send,
        *,
        ping_interval_s: float,
        dialect: Dialect = OPENAI,
        write_part: WritePart = _write_nothing,
    ) -> None:
        """`send` takes the start of the response, `send_body` what comes behind; `write_part` is WRITE_PART."""
        self._event = dialect.event
        self._ping_event = dialect.ping
        self._send = send
        self._send_body = send_body
        self._write_part = write_part
        self._ping_interval_s = ping_interval_s
        self._loop = asyncio.get_running_loop()
        self._open = False
        self._timer: asyncio.TimerHandle | None = None  # until it opens, then until a ping is due
        self._idle = True
        self._draining: asyncio.Task[None] | None = None
        self._unsent: list[Message] = []

    @property
    def is_open(self) -> bool:
        """Whether the headers have been sent."""
        return self._open

    def begin_within(self, seconds: float) -> None:
        """Send the headers when they have not been sent by then."""
        self._timer = self._loop.call_later(seconds, self.open)

    def open(self) -> None:
        """Send the headers, if that has not happened yet."""
        if not self._open:
            self._open = True
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._ping_interval_s, self._ping)
            self._push(self._send, {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})

    def write(self, chunks: list[bytes]) -> Backpressure:
        """Send chunks, and the headers first if they have not been sent.

        A future in return is done when the client has read on. Raises what the connection raises.
        """
        self.open()
        if chunks:
            self._push_events(b"".join(map(self._event, chunks)))
        return self._draining

    def write_one(self, chunk: bytes) -> Backpressure:
        """As `write` of one chunk: it is called for each token."""
        if not self._open:
            self.open()
        self._push_events(self._event(chunk))
        return self._draining

    async def end(self, last: bytes) -> None:
        """The last events, in one write with the end of the body."""
        if self._draining is not None:
            await self._draining
        await self._send_body({"type": "http.response.body", "body": last, "more_body": False})

    def close(self) -> None:
        """Stop the timer and the task of this writer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._draining is not None:
            self._draining.cancel()

    def _push_events(self, events: bytes) -> None:
        self._idle = False
        if self._draining is not None or not self._write_part(events):
            self._push(self._send_body, _part(events))

    def _push(self, send: Send, message: Message) -> None:
        if self._draining is None:
            waits = eager.start(send(message))
            if waits is not None:
                self._draining = asyncio.create_task(self._drain(waits))
        elif self._draining.done():
            self._draining.result()  # it has failed: what ends well leaves None behind
        else:
            self._unsent.append(message)

    async def _drain(self, waits: Awaitable[None]) -> None:
        """Write the rest when the client reads again. Little gathers until then, because `write` tells the sources to
        wait."""
        await waits
        while self._unsent:
            await self._send_body(self._unsent.pop(0))
        self._draining = None

    def _ping(self) -> None:
        if self._idle and self._draining is None:
            self._push(self._send_body, _part(self._ping_event))
        self._idle = True
        self._timer = self._loop.call_later(self._ping_interval_s, self._ping)


def _part(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


class EventStream(Response):
    """A response that writes its events while they are produced. An error before the first event is raised, so that it can
    still be answered with a status."""

    def __init__(self, work: Callable[[ChunkSink], Awaitable[list[bytes]]], *, ping_interval_s: float) -> None:
        """`work` hands the chunks to the sink that it is given, and returns the last of them when the answer is
        complete."""
        super().__init__()
        self._work: Callable[[ChunkSink], Awaitable[list[bytes]]] | None = work
        self._ping_interval_s = ping_interval_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = dialect_of(scope)
        writer = EventWriter(
            send,
            scope.get(SEND_BODY, send),
            ping_interval_s=self._ping_interval_s,
            dialect=dialect,
            write_part=scope.get(WRITE_PART, _write_nothing),
        )
        try:
            async with CancelledByDisconnect(scope, receive):
                await writer.end(await self._last_events(writer, dialect))
        except ClientDisconnected:
            if not writer.is_open:
                raise
            request_record.current().client_left()
        finally:
            writer.close()

    async def _last_events(self, writer: EventWriter, dialect: Dialect) -> bytes:
        """Do the work, and return the events that end the stream."""
        work, self._work = self._work, None
        if work is None:
            raise RuntimeError("a stream can be sent once")
        working = work(writer)
        del work  # with the request in it
        try:
            last = await working
        except GatewayError as error:
            if not writer.is_open:
                raise
            return _broken(error, dialect)
        except Exception:
            if not writer.is_open:
                raise
            log.exception("a stream broke")
            return _broken(InternalError(), dialect)
        writer.open()
        return b"".join(map(dialect.event, last)) + dialect.end


def _broken(error: GatewayError, dialect: Dialect) -> bytes:
    """The event that ends a stream which can't be completed."""
    request_record.current().failed(error.code or error.type)
    return dialect.error_event(error)
