"""One generation inside vLLM, with a queue and an engine of vLLM's shape."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from vllm_custom.contract.plan import Plan
from vllm_custom.engine.vllm_generation import VllmGeneration
from vllm_custom.errors import BadRequest

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


def followed(queue, *outputs, constrained_by=None):
    """The outputs that arrived, how many steps were counted, and what following gave."""
    got, counted = [], []

    async def main():
        generation = VllmGeneration(
            None, queue, Plan(1, 1, None, False), lambda: counted.append(1), constrained_by=constrained_by
        )
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


def given_up(*token_ids):
    """As vLLM ends a request that it can't go on with."""
    return SimpleNamespace(finished=True, outputs=[SimpleNamespace(finish_reason="error", token_ids=token_ids)])


def test_grammar_that_cannot_be_compiled_is_a_bad_request():
    """vLLM ends such a request before its first token, without a reason."""
    with pytest.raises(BadRequest, match="grammar") as caught:
        followed(Queue(), given_up(), constrained_by="response_format")
    assert caught.value.param == "response_format"


def test_other_failures_stay_what_they_are():
    """Without a constraint, or behind a token, it is no grammar's fault."""
    failed, broken_off = given_up(), given_up(7)
    begun = SimpleNamespace(finished=False, outputs=[SimpleNamespace(finish_reason=None, token_ids=[7])])
    assert followed(Queue(), failed)[1] == [failed]
    assert followed(Queue(), broken_off, constrained_by="tools")[1] == [broken_off]
    assert followed(Queue(), begun, failed, constrained_by="tools")[1] == [begun, failed]
