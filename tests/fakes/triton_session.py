"""The backend's side of a session at the wire, for `FakeTriton`: scripts play as in direct travel, each in a thread.

session = triton.next_session()
session.lose_a_frame()      # the next message has a number too many
session.end()               # the call ends, as when the stub dies
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc


class FakeSession:
    """One open session. `received` holds the envelopes that came, in order."""

    def __init__(self, sid: str, *, play: Callable[[Any], Iterator[Any]]) -> None:
        self.sid = sid
        self.received: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self._play = play
        self._seq = 0
        self._calls: dict[str, Any] = {}
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._arrived = threading.Condition()

    # What a test may do

    def say(self, *records: list[Any]) -> None:
        """One message with these records; without any it is a heartbeat."""
        self._outgoing.put([*records])

    def lose_a_frame(self) -> None:
        self._seq += 1

    def say_bytes(self, raw: bytes) -> None:
        """A message whose records are not what they should be."""
        self._outgoing.put(raw)

    def fail(self, status: grpc.StatusCode) -> None:
        """The call breaks."""
        self._outgoing.put(status)

    def end(self) -> None:
        """The call ends, without a word."""
        self._outgoing.put(None)

    def wait_for(self, op: str, count: int = 1, timeout_s: float = 5) -> list[dict[str, Any]]:
        """The first so many envelopes of this kind, as soon as they have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.of(op)) >= count, timeout_s), self.received
            return self.of(op)[:count]

    def of(self, op: str) -> list[dict[str, Any]]:
        return [envelope for envelope in self.received if envelope["op"] == op]

    # The wire

    def responses(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """What the call answers. Yields lists of records with their number, or lines of text."""
        context.add_callback(self._gone)
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        self.say([self.sid, "session", None, {"version": 1}])
        while (message := self._outgoing.get()) is not None:
            if isinstance(message, grpc.StatusCode):
                context.abort(message, "internal detail")
            elif isinstance(message, list):
                yield [[self.sid, "frame", None, self._seq], *message]
                self._seq += 1
            else:
                yield message

    def _read(self, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                self._take(request)
        except grpc.RpcError:
            pass  # the call has ended: `_gone` has told everybody

    def _take(self, request: Any) -> None:
        tensors = dict(zip((i.name for i in request.inputs), request.raw_input_contents, strict=True))
        envelope = json.loads(tensors["request"][4:])
        if envelope["op"] == "generate":
            from tests.fakes.triton import call_of

            call = call_of(envelope, tensors)
            self._calls[call.rid] = call
            threading.Thread(target=self._run, args=(call,), daemon=True).start()
        elif envelope["op"] == "abort" and envelope["target"] in self._calls:
            self._calls[envelope["target"]].cancelled.set()
        elif envelope["op"] == "close":
            self.say([self.sid, "result", None, {"closed": True}])
            self.end()
        with self._arrived:
            self.received.append(envelope)
            self._arrived.notify_all()

    def _run(self, call: Any) -> None:
        from tests.fakes.triton import Abort

        last: Any = []
        try:
            for message in self._play(call):
                if call.cancelled.is_set():
                    return
                last = message
                self._outgoing.put(message)
        except Abort as abort:
            self.fail(abort.status)
        if isinstance(last, list) and not _is_terminal(last) and not call.cancelled.is_set():
            self.end()  # as the call of its own that such a script would have had

    def _gone(self) -> None:
        for call in [*self._calls.values()]:
            call.cancelled.set()
        self.ended.set()
        self.end()


def _is_terminal(records: list[list[Any]]) -> bool:
    return any(r[1] == "error" or (r[1] == "end" and r[5] is not None) for r in records)
