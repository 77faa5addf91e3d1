"""What vLLM does for the control ops, and what it refuses."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from vllm_custom.engine.vllm_control import control
from vllm_custom.errors import BadRequest


class Llm:
    def __init__(self, *, sleeps=True):
        self.model_config = SimpleNamespace(enable_sleep_mode=sleeps)
        self.calls = []

    async def sleep(self, level):
        self.calls.append(("sleep", level))

    async def wake_up(self):
        self.calls.append(("wake",))

    async def reset_prefix_cache(self):
        return False


def done(llm, op, **options):
    return asyncio.run(control(llm, op, options))


def test_engine_sleeps_and_wakes():
    """With the level that was asked for."""
    llm = Llm()
    assert done(llm, "sleep", level=2) == {"asleep": True}
    assert done(llm, "wake") == {"asleep": False}
    assert llm.calls == [("sleep", 2), ("wake",)]


@pytest.mark.parametrize("op", ["sleep", "wake"])
def test_engine_without_sleep_mode_is_left_alone(op):
    """vLLM would stop and keep the memory."""
    llm = Llm(sleeps=False)
    with pytest.raises(BadRequest, match="enable_sleep_mode"):
        done(llm, op, level=1)
    assert llm.calls == []


def test_cache_says_whether_it_was_reset():
    """Which vLLM does not while requests use it."""
    assert done(Llm(sleeps=False), "reset_prefix_cache") == {"reset": False}


def test_other_ops_are_not_the_engines():
    """An op that is added without it is a bad request, not a crash."""
    with pytest.raises(BadRequest, match="drain"):
        done(Llm(), "drain")
