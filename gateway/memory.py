"""Calls that change how glibc manages memory; with another C library they do nothing.

https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

_M_ARENA_MAX: Final = -8


def share_two_heaps() -> None:
    """Make all threads allocate from two heaps; call it before other threads start. Most memory here is allocated by one
    thread and freed by one of gRPC's, or the other way round; with a heap a thread, both would keep what the other has
    freed. The thread that starts next has the second: the one that tokenises (`prompting/lanes.py`), which takes half the
    time in a heap without the holes that the loading of a tokeniser leaves."""
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Return what has been freed to the system: glibc keeps most of it."""
    if (malloc_trim := _function("malloc_trim")) is not None:
        malloc_trim(0)


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
