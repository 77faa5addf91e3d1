"""Session travel: one call per (worker, Triton, model), on which everything of that model's requests comes and goes.

    sessions.py ──► Session ── generate, abort, ping ──► one writer ──► Triton
                        │
    Mailbox per request ◄── one reader ◄── a message per engine step: [frame, record, record, …]
           └──► its consumer, called by the reader: no task is woken for a token

Messages are numbered and come at least every 5 s. A gap, 15 s of silence, or the end of the call breaks a session: each of
its requests ends with Unavailable, which is tried once elsewhere where nothing was said yet. The protocol:
docs/contract.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final

import grpc.aio

from gateway.errors import InternalError
from gateway.ids import new_id
from gateway.triton import status
from gateway.triton.mailbox import Consumer, Mailbox
from gateway.triton.records import KIND, RID, read_records
from gateway.triton.tensors import envelope_request

log = logging.getLogger(__name__)

VERSION: Final = 1
PING_EVERY_S: Final = 5.0
SILENCE_LIMIT_S: Final = 15.0
CLOSE_TIMEOUT_S: Final = 1.0

OpenStream = Callable[[Any], Any]
"""Starts a ModelStreamInfer call with an asynchronous iterator of requests."""


class SessionBroken(Exception):
    """A message does not follow the protocol; the text says how."""


class Frames:
    """Checks and removes the numbers of the messages. A pure state machine."""

    def __init__(self, sid: str) -> None:
        self._sid = sid
        self._expected = 0

    @property
    def count(self) -> int:
        """How many have come."""
        return self._expected

    def feed(self, records: list[list[Any]]) -> list[list[Any]]:
        """The records of a message, without its number. Raises SessionBroken when one before it is missing.

        What Triton or the backend answers to a single request comes without a number.
        """
        if not records or records[0][KIND] != "frame":
            return records
        if records[0] != [self._sid, "frame", None, self._expected]:
            raise SessionBroken(f"frame {records[0]!r} where number {self._expected} was due")
        self._expected += 1
        return records[1:]


class Session:
    """One open session. Made in the event loop that uses it."""

    def __init__(self, model: str, open_stream: OpenStream, on_broken: Callable[[Session], None]) -> None:
        self.sid = new_id()
        self.opened = False
        self.broken = False
        self.model = model
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._born = self._last_message = self._loop.time()
        self._boxes: dict[str, Mailbox] = {}
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue()
        self._frames = Frames(self.sid)
        self._retired = False
        self._send("session", self.sid, versions=[VERSION])
        self._call = open_stream(self._requests())
        self._reader = asyncio.create_task(self._read(), name=f"session {model}")
        self._timer = self._loop.call_later(PING_EVERY_S, self._ping)

    @property
    def age_s(self) -> float:
        return self._loop.time() - self._born

    @property
    def frames(self) -> int:
        """How many numbered messages have come."""
        return self._frames.count

    def post(self, rid: str, message: Any, consumer: Consumer) -> Mailbox:
        """Send the ModelInferRequest of a `generate` that names this session; what comes of it goes to `consumer`.
        Raises Unavailable when the session is broken."""
        if self.broken:
            raise status.unavailable()
        if rid in self._boxes:
            log.error("the request id %s is in use already", rid)
            raise InternalError
        box = self._boxes[rid] = Mailbox(rid, consumer)
        message.id = rid  # what Triton itself has to say about the request comes with it
        self._outgoing.put_nowait(message)
        return box

    def leave(self, box: Mailbox, *, ended: bool) -> None:
        """Forget the request. Unless it has `ended` by itself, the engine aborts it."""
        box.close()
        if self._boxes.pop(box.rid, None) is None or self.broken:
            return
        if not ended:
            self._abort(box.rid)
        if self._retired and not self._boxes:
            self._send("close", self.sid)

    def retire(self) -> None:
        """No new work comes; the session closes with its last request."""
        self._retired = True
        if not self._boxes and not self.broken:
            self._send("close", self.sid)

    async def close(self) -> None:
        """End the session now; its requests fail. Returns when the backend has confirmed, or after `CLOSE_TIMEOUT_S`."""
        for box in [*self._boxes.values()]:
            box.fail(status.unavailable())
            self.leave(box, ended=False)
        self.retire()
        await asyncio.wait({self._reader}, timeout=CLOSE_TIMEOUT_S)
        self._break("closed")
        await asyncio.gather(self._reader, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._call.code()  # what gRPC has to say of it comes before the event loop may be closed

    def _abort(self, rid: str) -> None:
        self._send("abort", new_id(), session=self.sid, target=rid)

    def _send(self, op: str, rid: str, **keys: Any) -> None:
        self._outgoing.put_nowait(envelope_request(self.model, {"op": op, "rid": rid, **keys}))

    async def _requests(self) -> AsyncGenerator[Any, None]:
        """What gRPC writes, one after the other: two writes at once would end the call."""
        while (request := await self._outgoing.get()) is not None:
            yield request

    def _ping(self) -> None:
        if self._loop.time() - self._last_message > SILENCE_LIMIT_S:
            self._break(f"nothing was heard for {SILENCE_LIMIT_S:.0f} s")
            return
        self._send("ping", self.sid)
        self._timer = self._loop.call_later(PING_EVERY_S, self._ping)

    async def _read(self) -> None:
        """One task for all requests of the session: each message is decoded once and handed out."""
        reason = "the call has ended"
        try:
            async for message in self._call:
                self._last_message = now = self._loop.time()
                if message.error_message:
                    self._refused(message)
                    continue
                self._hand_out(self._frames.feed(read_records(message.infer_response)), now)
                if self.broken:
                    return
        except (SessionBroken, InternalError) as error:
            reason = str(error)
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name}: {error.details()}"
        except asyncio.CancelledError:
            reason = "the call was cancelled"
        except Exception:
            log.exception("a session's reader failed")
            reason = "a fault of ours"
        self._break(reason)

    def _hand_out(self, records: list[list[Any]], now: float) -> None:
        boxes = self._boxes
        filled: list[Mailbox] = []
        for record in records:
            box = boxes.get(record[RID])
            if box is not None:
                waiting = box.records
                if not waiting:
                    filled.append(box)
                waiting.append(record)
                if len(waiting) >= box.join_at and not box.has_room():
                    self._give_up(box)
            elif record[RID] == self.sid:
                self._of_session(record)
            # Anything else is left over from a request that has been given up.
        for box in filled:
            box.deliver(now)

    def _of_session(self, record: list[Any]) -> None:
        _, kind, _, *rest = record
        if kind == "session":
            self.opened = True
        elif kind == "error":
            raise SessionBroken(f"the backend has ended it: {rest}")
        elif kind == "result":
            raise SessionBroken("closed")

    def _refused(self, message: Any) -> None:
        """Handle an error of Triton itself: a line of text, with the id of the request if Triton got that far."""
        log.warning("session of %s: %s", self.model, message.error_message)
        box = self._boxes.get(message.infer_response.id)
        if box is None:
            raise SessionBroken(message.error_message)
        box.fail(status.from_text(message.error_message))

    def _give_up(self, box: Mailbox) -> None:
        log.warning("request %s is not read and has been given up", box.rid)
        box.fail(status.not_read())
        self.leave(box, ended=False)

    def _break(self, reason: str) -> None:
        if self.broken:
            return
        self.broken = True
        log.log(logging.INFO if self._retired else logging.WARNING, "session of %s: %s", self.model, reason)
        self._timer.cancel()
        self._call.cancel()
        self._outgoing.put_nowait(None)  # of a call that has ended by itself gRPC would let the writer wait for ever
        boxes, self._boxes = self._boxes, {}
        for box in boxes.values():
            box.fail(status.unavailable())
        self._on_broken(self)
