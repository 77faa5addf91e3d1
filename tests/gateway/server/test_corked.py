"""Writes that leave together: nothing is lost, reordered or late, and no connection suffers from another."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.server.corked import CorkedTransport

pytestmark = pytest.mark.anyio


class Recorder(asyncio.Transport):
    """Writes down what it is told, in a book that several share."""

    def __init__(self, book: list[tuple[str, bytes]], name: str = "a", *, fails: bool = False) -> None:
        super().__init__()
        self._book = book
        self._name = name
        self._fails = fails
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._fails:
            raise OSError("no more")
        self._book.append((self._name, bytes(data)))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


async def test_writes_of_a_turn_leave_together() -> None:
    """When it is over, in order, and those of one connection in one piece."""
    book: list[tuple[str, bytes]] = []
    a, b = (CorkedTransport(Recorder(book, name)) for name in "ab")
    a.write(b"1")
    a.write(bytearray(b"2"))
    b.write(b"3")
    a.write(b"4")
    assert not book
    await asyncio.sleep(0)
    assert book == [("a", b"12"), ("b", b"3"), ("a", b"4")]
    a.write(b"5")
    await asyncio.sleep(0)
    assert book[3:] == [("a", b"5")]


async def test_what_was_written_leaves_before_the_end() -> None:
    """Closed in the same turn; and what is written to a connection that has gone is dropped."""
    book: list[tuple[str, bytes]] = []
    recorder = Recorder(book)
    transport = CorkedTransport(recorder)
    transport.write(b"last words")
    transport.close()
    assert book == [("a", b"last words")]
    assert transport.is_closing()
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert len(book) == 1


async def test_broken_connection_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is given up, and the log says so."""
    book: list[tuple[str, bytes]] = []
    broken = Recorder(book, fails=True)
    CorkedTransport(broken).write(b"1")
    CorkedTransport(Recorder(book, "b")).write(b"2")
    with caplog.at_level(logging.ERROR):
        await asyncio.sleep(0)
    assert book == [("b", b"2")]
    assert broken.closed
    assert "can't be written to" in caplog.text


async def test_write_that_closes_another_connection() -> None:
    """Closing writes what waits, also while that is being written; nothing is lost, and nothing written twice."""
    book: list[tuple[str, bytes]] = []

    class Closing(Recorder):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            last.close()

    first, last = CorkedTransport(Closing(book)), CorkedTransport(Recorder(book, "b"))
    first.write(b"1")
    last.write(b"2")
    await asyncio.sleep(0)
    assert book == [("a", b"1"), ("b", b"2")]
