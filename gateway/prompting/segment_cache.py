"""What texts have been tokenised to, of all models of a worker, bounded in bytes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Final, TypeAlias

_ENTRY_BYTES: Final = 300
"""What an entry takes besides its text and its ids: the key's tuple, its number, and its place in the dictionary."""


Segment: TypeAlias = tuple[int, str]
"""Which tokeniser makes it, by a number that also says how it reads the text; and the text."""


class SegmentCache:
    """The ids of the segments that were used last, as int32 in bytes, to be joined without a loop. For one thread."""

    def __init__(self, max_bytes: int) -> None:
        """0 keeps nothing."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._ids: OrderedDict[Segment, bytes] = OrderedDict()

    @property
    def used_bytes(self) -> int:
        """Of memory, at most `max_bytes`."""
        return self._bytes

    def get(self, segment: Segment) -> bytes | None:
        """None: to be tokenised."""
        ids = self._ids.get(segment)
        if ids is not None:
            self._ids.move_to_end(segment)
        return ids

    def put(self, segment: Segment, ids: bytes) -> None:
        """Those that were not used for longest make room. One that takes more than an eighth of it all is not kept."""
        size = _size(segment, ids)
        if size > self._max_bytes // 8 or segment in self._ids:
            return
        self._ids[segment] = ids
        self._bytes += size
        while self._bytes > self._max_bytes:
            oldest, its_ids = self._ids.popitem(last=False)
            self._bytes -= _size(oldest, its_ids)


def _size(segment: Segment, ids: bytes) -> int:
    return sys.getsizeof(segment[1]) + sys.getsizeof(ids) + _ENTRY_BYTES
