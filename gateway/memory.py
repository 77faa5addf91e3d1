"""What the C library is told about memory. glibc has these calls; other libraries have not, and need them less.

https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

_M_ARENA_MAX: Final = -8


def share_one_arena() -> None:
    """All threads allocate from one heap; best called before there are other threads. Nearly all of ours is allocated by one
    thread and often freed by gRPC's, or the other way round: with a heap for each thread both keep what they were given."""
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return what has been freed to the system: glibc keeps most of it."""
    if (malloc_trim := _function("malloc_trim")) is not None:
        malloc_trim(0)


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
