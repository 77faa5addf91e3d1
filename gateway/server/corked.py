"""A transport whose writes leave together when the turn of the event loop is over.

One message of Triton's has a token for each of many connections. Writing each of them immediately would alternate between
Python and the kernel's network code, and each would push the other's instructions out of the processor's caches; writing
all of them in one loop costs a tenth less a token (docs/performance.md). Also, several pieces for one connection, such as a
head and a body, leave in one system call.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)


class Cork:
    """What the connections of one event loop have to write, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[asyncio.Transport, bytes]] = deque()

    def add(self, transport: asyncio.Transport, data: bytes) -> None:
        """To be written when the turn is over."""
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self.let_go)
        elif waiting[-1][0] is transport:
            data = waiting.pop()[1] + data
        waiting.append((transport, data))

    def let_go(self) -> None:
        """Write all of it now."""
        waiting = self._waiting
        while waiting:  # one by one: a write may close a connection, whose callback adds to this list
            transport, data = waiting.popleft()
            try:
                if not transport.is_closing():
                    transport.write(data)
            except Exception:
                # Nothing of this connection's may reach another.
                log.exception("a connection can't be written to")
                transport.abort()


_corks: WeakKeyDictionary[asyncio.AbstractEventLoop, Cork] = WeakKeyDictionary()


class CorkedTransport(asyncio.Transport):
    """Stands before a transport. Made in the event loop that uses it."""

    __slots__ = ("_cork", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._cork = _corks.setdefault(loop, Cork(loop))
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Write with everything else of this turn of the event loop."""
        self._cork.add(self._transport, bytes(data))

    def close(self) -> None:
        self._cork.let_go()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
