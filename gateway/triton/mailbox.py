"""Passes the records of one request from a session's reader to the request's consumer.

A consumer that keeps up gets the records of each message at once. If messages come faster than one every `INTERVAL_S`, it
gets several at a time with their deltas joined: a client does not need an event every millisecond, and each costs a system
call. While the consumer can take no more, records gather here, joined as well. If more than `LIMIT_BYTES` gather, the
request is given up, because the engine would otherwise fill the memory for a client that does not read.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import orjson

from gateway.errors import GatewayError
from gateway.triton.records import CHOICE, KIND, RecordSink, hand_on, is_plain_delta

LIMIT_BYTES = 256 * 1024
INTERVAL_S = 0.002
BURST = 16
"""This many messages are delivered at any pace, so that a short answer is never held back."""

_JOIN_AT = 64
_BYTES_A_RECORD = 64


class Consumer(RecordSink, Protocol):
    """Takes the records of a request in order, without waiting; what it raises fails the request. After each `take`,
    `error` is what the answer broke off with, and `is_complete` says that all of it has come."""

    @property
    def error(self) -> GatewayError | None: ...
    @property
    def is_complete(self) -> bool: ...


class Mailbox:
    """The mailbox of one request. The session's reader fills it; the request's own task waits in `until_end`."""

    __slots__ = (
        "_consumer",
        "_due",
        "_ended",
        "_error",
        "_loop",
        "_timer",
        "join_at",
        "records",
        "rid",
        "waiting_since",
    )

    def __init__(self, rid: str, consumer: Consumer) -> None:
        """Made in the event loop that uses it."""
        self.rid = rid
        self._consumer: Consumer | None = consumer
        self.records: list[list[Any]] = []
        """What is delivered next, in order; to be appended to."""
        self.join_at = _JOIN_AT
        """When this many records have gathered, call `has_room`."""
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self.waiting_since: float | None = self._loop.time()
        """Of `stall.Waiting`: None while the consumer can take no more."""
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # When the next delivery would be due, had all so far come at the highest pace: the virtual time of GCRA, a
        # leaky bucket (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def until_end(self) -> None:
        """Wait until the consumer has had the last record, or raise what the mailbox was failed with."""
        await self._ended
        if self._error is not None:
            raise self._error

    def has_room(self) -> bool:
        """Join what has gathered; False when it is still more than `LIMIT_BYTES`, and the request should be given up."""
        self.records = joined(self.records)
        # Joined again only when that many have come on top: linear, however long the consumer is blocked.
        self.join_at = len(self.records) + _JOIN_AT
        return sum(map(_size, self.records)) <= LIMIT_BYTES

    def deliver(self, now: float) -> None:
        """Hand over what has come, unless the consumer can't take it now, or had so much of late: then it follows. `now` is
        the event loop's time."""
        if self._timer is not None or self.waiting_since is None or not self.records or self._ended.done():
            return
        due = self._due
        if due <= now:
            self._due = now + INTERVAL_S
        elif (early_s := due - now - BURST * INTERVAL_S) <= 0 or self._error is not None:
            self._due = due + INTERVAL_S
        else:
            self._timer = self._loop.call_later(early_s, self._deliver_late)
            return
        self.waiting_since = now
        self._hand_over()

    def _deliver_late(self) -> None:
        self._timer = None
        if len(self.records) > 1:
            self.records = joined(self.records)
        self.deliver(self._loop.time())
        self._end_if_failed()

    def _hand_over(self) -> None:
        records, self.records = self.records, []
        self.join_at = _JOIN_AT
        consumer = self._consumer
        if consumer is None:
            return
        try:
            blocked = hand_on(records, consumer)
        except Exception as error:  # noqa: BLE001 - raised again in the request's own task
            self.fail(error)
            return
        if consumer.error is not None:
            self.fail(consumer.error)
        elif consumer.is_complete:
            self._end()
        if blocked is not None:
            self.waiting_since = None
            blocked.add_done_callback(self._unblocked)

    def close(self) -> None:
        """Release the consumer, and everything that it refers to."""
        if self._timer is not None:
            self._timer.cancel()
        self._consumer = None

    def fail(self, error: Exception) -> None:
        """No more records will come. Those that are here are still delivered, then `until_end` raises `error`."""
        self._error = self._error or error
        self._end_if_failed()

    def _unblocked(self, _: asyncio.Future[None]) -> None:
        self.waiting_since = self._loop.time()
        self.deliver(self.waiting_since)
        self._end_if_failed()

    def _end_if_failed(self) -> None:
        if self._error is not None and not self.records:
            self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._ended.done():
            self._ended.set_result(None)


def joined(records: list[list[Any]]) -> list[list[Any]]:
    """The same records with the deltas of each choice joined, where nothing but deltas came between them.

    Malformed ones are left as they are, and are refused when they are read.
    """
    groups: list[list[list[Any]]] = []
    open_groups: dict[int, list[list[Any]]] = {}
    for record in records:
        if not is_plain_delta(record):
            open_groups.clear()
            groups.append([record])
        elif (group := open_groups.get(record[CHOICE])) is not None:
            group.append(record)
        else:
            open_groups[record[CHOICE]] = group = [record]
            groups.append(group)
    return [group[0] if len(group) == 1 else _join(group) for group in groups]


def _join(deltas: list[list[Any]]) -> list[Any]:
    texts: list[str] = []
    tokens = 0
    for _, _, _, text, token_count, _ in deltas:
        texts.append(text)
        tokens += token_count
    rid, kind, choice, *_ = deltas[0]
    return [rid, kind, choice, "".join(texts), tokens, None]


def _size(record: list[Any]) -> int:
    if record[KIND] != "delta" or len(record) != 6:
        return _BYTES_A_RECORD
    _, _, _, text, _, extra = record
    characters = len(text) if type(text) is str else 0
    # Log probabilities weigh more than their text; how much exactly does not matter, so they are weighed as written.
    return _BYTES_A_RECORD + characters + (0 if extra is None else len(orjson.dumps(extra)))
