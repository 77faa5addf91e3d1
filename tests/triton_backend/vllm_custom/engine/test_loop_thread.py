"""An event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

import pytest
from vllm_custom.engine.loop_thread import LoopThread


@pytest.fixture
def loop():
    thread = LoopThread("looped")
    thread.start()
    yield thread
    assert thread.stop(5)


async def name():
    return threading.current_thread().name


def test_coroutines_run_on_its_thread(loop):
    """Waited for, or not."""
    assert loop.run(name()) == "looped"
    assert loop.post(name()).result(5) == "looped"


def test_what_a_coroutine_raises_is_raised(loop):
    """By whoever waits for it."""

    async def fail():
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        loop.run(fail())


def test_coroutine_that_takes_too_long_is_cancelled(loop):
    """It does not go on behind the back of whoever has given it up."""
    cancelled = threading.Event()

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(concurrent.futures.TimeoutError):
        loop.run(endless(), 0.01)
    assert cancelled.wait(5)


def test_stop_cancels_what_is_left():
    """Tasks that nobody waits for end with the loop, and the thread with them."""
    thread, ended = LoopThread("looped"), threading.Event()
    thread.start()

    async def left():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    thread.post(left())
    thread.run(name())
    assert thread.stop(5)
    assert ended.is_set()
    assert thread.processor_seconds() == 0.0


def test_loop_that_never_ran_is_closed():
    """As after a start that failed before it."""
    assert LoopThread("looped").stop(1)


def test_processor_time_is_that_of_the_thread(loop):
    """It grows with what the loop does, and only with that."""

    async def work():
        return sum(range(300_000))

    before = loop.processor_seconds()
    loop.run(work())
    assert loop.processor_seconds() > before
