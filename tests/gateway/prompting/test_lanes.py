"""The threads that tokenise."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from gateway.prompting.lanes import LONG_CHARACTERS, Lanes
from gateway.prompting.tokenizer import Tokenizer, Tokenizers
from tests.fakes.tokenizer_kinds import byte_level

pytestmark = pytest.mark.anyio


async def test_one_thread_whatever_asks() -> None:
    """All work of the usual length, also of many callers at once, is done in one thread, which is not the loop's."""
    lanes = Lanes()
    threads = await asyncio.gather(*(lanes.run(10, threading.get_ident) for _ in range(50)))
    assert len({*threads}) == 1
    assert threading.get_ident() not in threads


async def test_long_texts_hold_up_no_other() -> None:
    """They have a thread of their own, the other one."""
    lanes, go = Lanes(), threading.Event()
    long = asyncio.create_task(lanes.run(LONG_CHARACTERS + 1, lambda: go.wait(10)))
    try:
        assert await lanes.run(LONG_CHARACTERS, lambda: "done") == "done"
        assert not long.done()
    finally:
        go.set()
    assert await long


async def test_work_of_a_caller_who_left_is_not_done() -> None:
    """Unless it has begun."""
    lanes, go, done = Lanes(), threading.Event(), list[int]()
    first = asyncio.create_task(lanes.run(1, lambda: go.wait(10)))
    second = asyncio.create_task(lanes.run(1, lambda: done.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go.set()
    assert await first
    await lanes.run(1, lambda: done.append(3))
    assert done == [3]


def _process_threads() -> set[str]:
    """Ids of all threads, those of libraries too."""
    return {entry.name for entry in Path("/proc/self/task").iterdir()}


async def test_the_library_starts_no_threads() -> None:
    """Many texts in a call would be spread over as many as there are cores, all of which allocate."""
    tokenizer = Tokenizers().get(byte_level().to_str().encode())
    await tokenizer.encode(["warm up " * 500], add_special_tokens=False)
    before = _process_threads()
    await tokenizer.encode(["some text " * 100] * 64, add_special_tokens=False)
    assert _process_threads() <= before


async def test_loop_is_not_held() -> None:
    """While a text of a million characters is tokenised, the loop goes round."""
    tokenizer = Tokenizer(byte_level().to_str().encode())
    longest, last = 0.0, time.monotonic()
    work = asyncio.create_task(tokenizer.encode(["The ferry leaves at nine. " * 40_000], add_special_tokens=False))
    started = time.monotonic()
    while not work.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < (time.monotonic() - started) / 2
    await work
