"""A running generation: outputs in, records out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from vllm_custom.contract.lifecycle import Life, RequestState
from vllm_custom.contract.plan import Plan
from vllm_custom.errors import Cancelled, Overloaded
from vllm_custom.serving.running_generation import RunningGeneration


def step(text, finish=None, *, finished=None):
    choice = SimpleNamespace(
        index=0, text=text, token_ids=[1] * len(text), logprobs=None, finish_reason=finish, stop_reason=None
    )
    done = finish is not None if finished is None else finished
    return SimpleNamespace(outputs=[choice], finished=done, num_cached_tokens=0)


@pytest.fixture
def generation():
    posts = []
    running = RunningGeneration(
        Life("r", lambda records, final: posts.append((records, final))), None, lambda rid: None
    )
    return running, posts


def kinds(posts):
    return [([record[1] for record in records], final) for records, final in posts]


def test_outputs_become_records_in_order(generation):
    """Accepted, deltas, and one end that is final; a step without news posts nothing and goes on."""
    running, posts = generation
    assert running.accepted(Plan(1, 4, None, False))
    assert running.step(step("a"))
    assert running.step(step(""))
    assert running.step(step("b", "stop"))
    assert kinds(posts) == [(["accepted"], False), (["delta"], False), (["delta", "end"], True)]
    assert (running.outcome, running.life.state) == ("finished", RequestState.FINISHED)


def test_engine_is_stopped_when_nobody_waits(generation):
    """Every answer to the engine is False once the request has ended, and nothing more is posted."""
    running, posts = generation
    running.accepted(Plan(1, 4, None, False))
    running.end(Cancelled("gone"))
    assert not running.step(step("late"))
    assert not running.accepted(Plan(1, 4, None, False))
    assert len(posts) == 2


def test_output_before_accepted_is_ignored(generation):
    """There is nothing yet that could read it."""
    running, posts = generation
    assert not running.step(step("a"))
    assert posts == []


def test_engine_that_ends_too_early_is_a_fault(generation):
    """Its last output leaves a choice open: the client gets an error, not half an answer."""
    running, posts = generation
    running.accepted(Plan(1, 4, None, False))
    running.step(step("a", finished=True))
    assert posts[-1][0][-1][3] == "internal"
    assert running.outcome == "internal"


@pytest.mark.parametrize(("reason", "outcome"), [("abort", "cancelled"), ("error", "internal")])
def test_request_that_the_engine_gives_up_fails(generation, reason, outcome):
    """As what it is."""
    running, posts = generation
    running.accepted(Plan(1, 4, None, False))
    assert not running.step(step("a", reason))
    assert posts[-1][0][-1][3] == outcome
    assert running.outcome == outcome


def test_refusal_comes_instead_of_accepted(generation):
    """One record."""
    running, posts = generation
    assert running.failed(Overloaded("full"))
    assert kinds(posts) == [(["error"], True)]
