"""What has come for one request and has not been taken yet. Fed by a session's reader, emptied by the request's own task.

A reader that keeps up finds one or two records; for one that does not, the deltas of each choice are joined, and when even
so too much gathers the request is given up: the engine would otherwise fill the memory for a client that does not read.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from gateway.errors import GatewayError

LIMIT_BYTES = 256 * 1024
_JOIN_AT = 64
_BYTES_A_RECORD = 64


class Mailbox:
    """One request's. `put` and `fail` never wait; `take` is for one task."""

    __slots__ = ("_error", "_join_at", "_records", "_waiter", "rid")

    def __init__(self, rid: str) -> None:
        self.rid = rid
        self._records: list[list[Any]] = []
        self._error: GatewayError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._join_at = _JOIN_AT

    def put(self, record: list[Any]) -> bool:
        """Add a record; False when more than `LIMIT_BYTES` have gathered, and the request should be given up."""
        records = self._records
        records.append(record)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif len(records) >= self._join_at:
            self._records = joined(records)
            # Joined again only when that many have come on top: linear, however long the reader stays away.
            self._join_at = len(self._records) + _JOIN_AT
            return sum(map(_size, self._records)) <= LIMIT_BYTES
        return True

    def fail(self, error: GatewayError) -> None:
        """No more will come. What is there can still be taken, then `error` is raised."""
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> list[list[Any]]:
        """Everything that has come; waits when that is nothing. Raises what it was failed with."""
        while not self._records:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        records, self._records = self._records, []
        self._join_at = _JOIN_AT
        return records


def joined(records: list[list[Any]]) -> list[list[Any]]:
    """The same records with the deltas of each choice joined, where nothing but deltas came between them.

    Malformed ones are left as they are, for whoever reads them to refuse.
    """
    groups: list[list[list[Any]]] = []
    open_groups: dict[int, list[list[Any]]] = {}
    for record in records:
        if not _is_plain_delta(record):
            open_groups.clear()
            groups.append([record])
        elif (group := open_groups.get(record[2])) is not None:
            group.append(record)
        else:
            open_groups[record[2]] = group = [record]
            groups.append(group)
    return [group[0] if len(group) == 1 else _join(group) for group in groups]


def _is_plain_delta(record: list[Any]) -> bool:
    return (
        len(record) == 6
        and record[1] == "delta"
        and type(record[2]) is int
        and type(record[3]) is str
        and type(record[4]) is int
        and record[5] is None
    )


def _join(deltas: list[list[Any]]) -> list[Any]:
    rid, kind, choice = deltas[0][:3]
    return [rid, kind, choice, "".join([delta[3] for delta in deltas]), sum([delta[4] for delta in deltas]), None]


def _size(record: list[Any]) -> int:
    if record[1] != "delta" or len(record) != 6:
        return _BYTES_A_RECORD
    text = len(record[3]) if type(record[3]) is str else 0
    # Log probabilities weigh more than their text; how much exactly does not matter, so they are weighed as written.
    return _BYTES_A_RECORD + text + (0 if record[5] is None else len(orjson.dumps(record[5])))
