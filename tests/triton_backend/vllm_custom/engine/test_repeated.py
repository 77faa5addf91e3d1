"""Equal choices made of one."""

from __future__ import annotations

import asyncio

from vllm_custom.contract.plan import Plan
from vllm_custom.contract.record_builder import NativeRecordBuilder
from vllm_custom.engine.repeated import RepeatedGeneration
from vllm_custom.replay.playback import ReplayChoice, ReplayOutput


class OneChoice:
    """A generation of two outputs."""

    plan = Plan(1, 3, None, True)

    def __init__(self):
        self.aborted = False

    async def follow(self, step):
        step(ReplayOutput([ReplayChoice(0, "a", [5], None, None, None)], False))
        return step(ReplayOutput([ReplayChoice(0, "b", [6], None, "stop", "b")], True))

    async def abort(self):
        self.aborted = True


def test_each_choice_is_the_same_and_counted():
    """Text, tokens and end of every one, and the usage of all with the last."""
    generation = RepeatedGeneration(OneChoice(), 3)
    assert generation.plan.choices == 3
    builder = NativeRecordBuilder("r", Plan(3, 3, None, token_ids=True))
    records = []

    def step(output):
        records.extend(builder.read(output))
        return True

    assert asyncio.run(generation.follow(step))
    assert builder.complete
    for choice in range(3):
        own = [record[3:] for record in records if record[2] == choice]
        assert own[:2] == [["a", 1, {"token_ids": [5]}], ["b", 1, {"token_ids": [6]}]]
        assert own[2][:2] == ["stop", "b"]
    usages = [record[5] for record in records if record[1] == "end"]
    assert usages == [None, None, {"prompt_tokens": 3, "completion_tokens": 6, "cached_tokens": 0}]


def test_abort_reaches_the_one():
    """There is only one to free."""
    inner = OneChoice()
    asyncio.run(RepeatedGeneration(inner, 2).abort())
    assert inner.aborted
