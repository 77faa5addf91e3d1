"""One request of the replay engine while it plays."""

from __future__ import annotations

import asyncio

import pytest
from vllm_custom.contract.plan import Plan
from vllm_custom.errors import Overloaded, Unavailable
from vllm_custom.replay.playback import Playback
from vllm_custom.replay.script import Entry, Line, Token
from vllm_custom.replay.step_clock import StepClock


def line(text, reason="stop"):
    return Line([Token(ord(letter), letter) for letter in text], reason, None)


def played(*lines, stream=True, alternatives=None, prompt_alternatives=None, clock=None, before=None, **entry):
    """Every output of a playback, as far as it comes, and what following gave."""
    outputs = []

    async def main():
        death = asyncio.Event()
        if before is not None:
            before(death)
        playback = Playback(
            Plan(len(lines), 2, alternatives, False, prompt_alternatives),
            Entry(**entry),
            lines,
            stream=stream,
            prompt_token_ids=[1, 2],
            name=chr,
            death=death,
            clock=None if clock is None else StepClock(clock),
        )
        try:
            return await asyncio.wait_for(playback.follow(lambda output: outputs.append(output) is None), 5)
        except (Overloaded, Unavailable) as failure:
            return failure.type

    return asyncio.run(main()), outputs


def texts(outputs, choice=0):
    return [each.text for output in outputs for each in output.outputs if each.index == choice]


@pytest.mark.parametrize("clock", [None, 0.0, 0.001])
def test_one_token_a_step_or_all_at_once(clock):
    """By its own pauses or by a clock; a choice that is shorter says nothing more."""
    finished, outputs = played(line("abc"), line("x", "length"), clock=clock)
    assert (finished, texts(outputs), texts(outputs, 1)) == (True, ["a", "b", "c"], ["x"])
    assert [output.finished for output in outputs] == [False, False, True]
    finished, outputs = played(line("abc"), line("x"), stream=False, clock=clock)
    assert (finished, texts(outputs), len(outputs)) == (True, ["abc"], 1)


def test_end_comes_with_the_last_token():
    """And for a text of none, with the first step."""
    _, outputs = played(line("ab"), line("", "length"))
    assert [(each.index, each.finish_reason) for output in outputs for each in output.outputs] == [
        (0, None), (1, "length"), (0, "stop"),
    ]  # fmt: skip


@pytest.mark.parametrize("clock", [None, 0.0])
def test_scripted_failure_comes_in_place_of_its_token(clock):
    """What was said before it has been said."""
    ended, outputs = played(line("abc"), fail={"type": "overloaded"}, fail_at=2, clock=clock)
    assert (ended, texts(outputs)) == ("overloaded", ["a", "b"])


@pytest.mark.parametrize("clock", [None, 0.0])
def test_death_is_that_of_the_whole_engine(clock):
    """Whoever plays `die_at` sets it, and everybody else finds it set."""
    assert played(line("abc"), die_at=1, clock=clock)[0] == "unavailable"
    assert played(line("abc"), before=asyncio.Event.set, clock=clock) == ("unavailable", [])


def test_long_pause_ends_with_the_engine():
    """A request that waits an hour for its first token is not left when the engine dies."""

    def soon(death):
        asyncio.get_running_loop().call_later(0.01, death.set)

    assert played(line("a"), prefill_seconds=3600, before=soon) == ("unavailable", [])


def test_log_probabilities_are_the_scripted_ones():
    """Repeated as often as needed; the alternatives are neighbours, each a little less likely. Their sum is kept."""
    _, outputs = played(line("abc"), alternatives=2, prompt_alternatives=1, logprobs=[-0.5, -1.5])
    found = [next(iter(each.logprobs[0].values())) for output in outputs for each in output.outputs]
    assert [each.logprob for each in found] == [-0.5, -1.5, -0.5]
    assert [each.decoded_token for each in found] == ["a", "b", "c"]
    assert all(len(each.logprobs[0]) == 2 for output in outputs for each in output.outputs)
    assert outputs[-1].outputs[0].cumulative_logprob == -2.5
    assert outputs[0].prompt_logprobs[0] is None
    assert list(outputs[0].prompt_logprobs[1]) == [2]
    assert outputs[1].prompt_logprobs is None
