"""Handing the outputs of one request over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from vllm_custom.engine.generation import Delivery

MORE, LAST = SimpleNamespace(finished=False), SimpleNamespace(finished=True)


def delivered(outputs, step, *, error=None):
    """What each push returned, and what waiting for the end gave."""

    async def run():
        delivery = Delivery(step)
        pushed = [delivery.push(output) for output in outputs]
        if error is not None:
            delivery.fail(error)
        return pushed, await delivery.until_end()

    return asyncio.run(run())


def test_outputs_arrive_until_the_last():
    """The last is handed over too, and nothing after it."""
    got = []
    pushed = delivered([MORE, LAST, MORE], lambda output: got.append(output) is None)
    assert pushed == ([True, False, False], True)
    assert got == [MORE, LAST]


def test_step_that_wants_no_more_ends_it():
    """Before the engine has finished: the end says so."""
    assert delivered([MORE, MORE], lambda output: False) == ([False, False], False)


def test_fault_of_the_step_is_raised_at_the_end():
    """Not where the engine pushes, which must go on for the others."""

    def step(output):
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        delivered([MORE], step)


def test_failure_of_the_engine_is_raised_at_the_end():
    """Unless the end has come before it."""
    with pytest.raises(ValueError, match="died"):
        delivered([MORE], lambda output: True, error=ValueError("died"))
    assert delivered([LAST], lambda output: True, error=ValueError("died")) == ([False], True)
