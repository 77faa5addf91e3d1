"""Requests with one result, inside an engine."""

from __future__ import annotations

import asyncio

import pytest
from vllm_custom.engine.interface import Result
from vllm_custom.engine.result_tasks import ResultTasks
from vllm_custom.errors import Unavailable


class Sink:
    def __init__(self):
        self.calls = []

    def finished(self, result):
        self.calls.append(result.value)
        return True

    def failed(self, failure):
        self.calls.append((failure.type, failure.message))
        return True


def run(work, during=None):
    sink = Sink()

    async def main():
        tasks = ResultTasks()
        task = asyncio.ensure_future(tasks.run("r", work(), sink))
        await asyncio.sleep(0)
        if during is not None:
            await during(tasks)
        await asyncio.wait_for(task, 5)
        await tasks.abort("r")

    asyncio.run(main())
    return sink.calls


def test_result_reaches_the_sink():
    """Once; an abort that comes later finds nothing."""

    async def work():
        return Result({"shape": [1, 1]})

    assert run(work) == [{"shape": [1, 1]}]


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (Unavailable("died"), ("unavailable", "died")),
        (ValueError("too long"), ("bad_request", "too long")),
        (KeyError("odd"), ("internal", "KeyError: 'odd'")),
    ],
)
def test_failure_reaches_the_sink(error, call, caplog):
    """Ours are logged."""

    async def work():
        raise error

    assert run(work) == [call]
    assert ("failed" in caplog.text) is (call[0] == "internal")


def test_abort_cancels_the_work_in_silence():
    """Whoever aborts a request has ended it before."""
    cancelled = []

    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    assert run(work, lambda tasks: tasks.abort("r")) == []
    assert cancelled == [True]
