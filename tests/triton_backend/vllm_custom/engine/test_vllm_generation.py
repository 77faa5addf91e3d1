"""One generation inside vLLM, with a queue and an engine of vLLM's shape."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from vllm_custom.contract.plan import Plan
from vllm_custom.engine.vllm_generation import VllmGeneration

MORE, LAST = SimpleNamespace(finished=False), SimpleNamespace(finished=True)


class Queue:
    """vLLM's collector: what is put before anybody follows it waits."""

    request_id = "internal-r"

    def __init__(self, *waiting):
        self.waiting = list(waiting)

    def put(self, output):
        self.waiting.append(output)

    def get_nowait(self):
        return self.waiting.pop(0) if self.waiting else None


def followed(queue, *outputs):
    """The outputs that arrived, how many steps were counted, and what following gave."""
    got, counted = [], []

    async def main():
        generation = VllmGeneration(None, queue, Plan(1, 1, None, False), lambda: counted.append(1))
        task = asyncio.ensure_future(generation.follow(lambda output: got.append(output) is None))
        await asyncio.sleep(0)
        for output in outputs:
            queue.put(output)
        return await asyncio.wait_for(task, 5)

    return asyncio.run(main()), got, len(counted)


def test_outputs_are_handed_over_as_they_are_put():
    """By the call that puts them; each is a sign of life."""
    queue = Queue()
    assert followed(queue, MORE, LAST) == (True, [MORE, LAST], 2)
    assert queue.waiting == []


def test_output_that_came_before_is_not_lost():
    """The engine may be faster than whoever follows."""
    assert followed(Queue(LAST)) == (True, [LAST], 1)


def test_error_of_the_engine_is_raised():
    """vLLM puts it into the queue like an output."""
    with pytest.raises(RuntimeError, match="died"):
        followed(Queue(), MORE, RuntimeError("died"))


def test_what_comes_after_the_end_is_dropped():
    """vLLM may still put what was on its way."""
    queue = Queue()
    _, got, _ = followed(queue, LAST)
    queue.put(MORE)
    assert (got, queue.waiting) == ([LAST], [])


def test_abort_names_the_request_as_vllm_does():
    """By vLLM's own id, which is not the rid."""
    aborted = []

    class Llm:
        async def abort(self, request_id, internal):
            aborted.append((request_id, internal))

    asyncio.run(VllmGeneration(Llm(), Queue(), Plan(1, 1, None, False), lambda: None).abort())
    assert aborted == [("internal-r", True)]
