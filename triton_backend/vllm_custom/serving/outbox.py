"""The outbox: one thread sends every response of one instance.

What has gathered for a request while the thread was busy goes in one response. So each token has a response of its own
while the server is idle, and responses get larger under load, without a timer. It is one thread because each `send` waits
for Triton's process, so that several threads would only compete for the interpreter's lock, and because Triton keeps the
order of one request's responses only when one thread sends them.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..contract.records import KIND, RID, Record, coalesce, encode, error
from ..contract.tensors import Sender
from ..errors import Internal

logger = logging.getLogger(__name__)

Bytes = bytes | memoryview
Blob = Bytes | NDArray[np.float32]


class Send(Protocol):
    def __call__(self, sender: Sender, records: bytes, part: Blob | None, *, final: bool) -> None: ...


class Write(Protocol):
    """Sends records in another form than the contract's; may keep back what makes no response, unless it is final."""

    def __call__(self, sender: Sender, records: Sequence[Record], *, final: bool) -> None: ...


class Shipment(NamedTuple):
    """What goes in one response."""

    records: list[Record]
    part: Blob | None
    final: bool


class Channel:
    """What waits to be sent for one request, and Triton's sender for it."""

    __slots__ = (
        "_blobs",
        "_final",
        "_in_use",
        "_lock",
        "_pending",
        "_queued",
        "_sender",
        "_write",
        "on_broken",
        "vectors"
    )  # fmt: skip

    def __init__(self, sender: Sender, write: Write | None = None) -> None:
        """`write` takes the place of the outbox's own sending of records."""
        # Called once, from the outbox's thread, when a response could not be sent.
        self.on_broken: Callable[[], None] | None = None
        # Goes along with the final response.
        self.vectors: NDArray[np.float32] | None = None
        self._sender: Sender | None = sender
        self._write = write
        self._pending: list[Record] = []
        self._blobs: list[Bytes] = []
        self._final = False
        self._queued = False
        self._lock = threading.Lock()
        self._in_use = threading.Lock()

    def add(self, records: Sequence[Record], *, final: bool, blobs: Sequence[Bytes] = ()) -> bool:
        """True when the channel has to be queued. `blobs` are the bytes of the `part` records, in order."""
        with self._lock:
            self._pending.extend(records)
            self._blobs.extend(blobs)
            self._final = self._final or final
            queued, self._queued = self._queued, True
            return not queued

    def hand_over(self) -> Sender:
        """Triton's sender, for another channel that sends for the same request from now on. Raises Internal without one."""
        sender, self._sender = self._sender, None
        if sender is None:
            raise Internal("the request has been answered")
        return sender

    def take(self) -> tuple[Shipment, bool]:
        """The next response, and whether more is left. A `part` record ends a response, because its bytes go along."""
        with self._lock:
            records, part = self._pending, self.vectors if self._final else None
            if self._blobs:
                cut = next(at for at, record in enumerate(records) if record[KIND] == "part") + 1
                records, part = records[:cut], self._blobs.pop(0)
            self._pending = self._pending[len(records) :]
            more = bool(self._pending)
            self._queued = more
            return Shipment(records, part, self._final and not more), more

    def ship(self, shipment: Shipment, send: Send) -> None:
        """Send one response. When that fails the request is ended with a last, small error, and `on_broken` is called."""
        if (sender := self._sender) is None:
            return
        write = self._write or _as_records(shipment.part, send)
        # Also held while Triton is asked for a cancellation: after the final response the sender points at freed memory.
        with self._in_use:
            try:
                write(sender, coalesce(shipment.records), final=shipment.final)
                sent = True
            except Exception:
                logger.exception("a response could not be sent; its request ends here")
                _send_last_words(sender, shipment, self._write or _as_records(None, send))
                sent = False
            if shipment.final or not sent:
                # Let go at once: a sender that lives until the interpreter ends is freed after Triton's shared memory,
                # and then the process crashes, or spins on a lock that is no longer there.
                self._sender = None
        if sent:
            return
        if self.on_broken is not None:
            self.on_broken()

    def is_cancelled(self) -> bool:
        """Ask Triton whether the client has gone; blocks for a round trip. Never asks after the final response."""
        with self._in_use:
            return self._sender is not None and self._sender.is_cancelled()


def _as_records(part: Blob | None, send: Send) -> Write:
    def write(sender: Sender, records: Sequence[Record], *, final: bool) -> None:
        send(sender, encode(records) if records or not final else b"", part, final=final)

    return write


def _send_last_words(sender: Sender, shipment: Shipment, write: Write) -> None:
    # The client may still be there: a response can be too large for the shared memory, for example.
    rid = shipment.records[0][RID] if shipment.records else ""
    try:
        write(sender, [error(rid, Internal("a response could not be sent"))], final=True)
    except Exception:
        logger.exception("nor could the error that should have ended the request")


class Outbox:
    """The sending thread and its queue of channels that have something to send."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ready: queue.SimpleQueue[Channel | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, channel: Channel, records: Sequence[Record], *, final: bool, blobs: Sequence[Bytes] = ()) -> None:
        """Put records behind those that wait; returns at once. Any thread may call."""
        if channel.add(records, final=final, blobs=blobs):
            self.queue(channel)

    def queue(self, channel: Channel) -> None:
        """Send a channel whose `add` returned True."""
        self._ready.put(channel)

    def stop(self, timeout: float) -> bool:
        """Send what is queued, then end the thread; False when it did not end in time."""
        self._ready.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        stopping = False
        while not (stopping and self._ready.empty()):
            channel = self._ready.get()
            if channel is None:
                stopping = True
                continue
            shipment, more = channel.take()
            channel.ship(shipment, self._send)
            if more:
                # To the back of the queue, so that a long file does not hold up the tokens of other requests.
                self._ready.put(channel)
