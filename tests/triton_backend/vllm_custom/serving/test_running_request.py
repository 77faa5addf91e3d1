"""What every running request has in common: its ends."""

from __future__ import annotations

import pytest
from vllm_custom.contract.lifecycle import Life, RequestState
from vllm_custom.errors import Cancelled, Internal, Timeout
from vllm_custom.serving.outbox import Channel
from vllm_custom.serving.running_request import RunningRequest

from tests.fakes.triton_python_backend import ResponseSender


@pytest.fixture
def parts():
    posts, aborted = [], []
    life = Life("r", lambda records, final: posts.append(records))
    return RunningRequest(life, Channel(ResponseSender()), aborted.append), posts, aborted


def test_failure_of_the_engine_is_not_sent_back_to_it(parts):
    """The engine has said that it is over; nothing is aborted."""
    running, posts, aborted = parts
    assert running.failed(Internal("broken"))
    assert posts == [[["r", "error", None, "internal", None, None, "broken"]]]
    assert (running.outcome, running.life.state, aborted) == ("internal", RequestState.FAILED, [])


@pytest.mark.parametrize(
    ("end", "outcome", "state"),
    [
        (lambda running: running.cancel(), "cancelled", RequestState.ABORTED),
        (lambda running: running.broken(), "internal", RequestState.FAILED),
        (lambda running: running.end(Timeout("late")), "timeout", RequestState.FAILED),
        (lambda running: running.end(Cancelled("aborted")), "cancelled", RequestState.ABORTED),
    ],
)
def test_end_from_outside_frees_the_engine(parts, end, outcome, state):
    """Whatever it is that ends it, and only the first."""
    running, posts, aborted = parts
    end(running)
    assert not running.end(Internal("too late"))
    assert (running.outcome, running.life.state, aborted, len(posts)) == (outcome, state, ["r"], 1)


def test_triton_is_asked_only_about_a_request_of_its_own(parts):
    """One that travels by a session has no channel to ask."""
    running, _, _ = parts
    assert running.is_polled
    assert not running.is_cancelled()
    by_session = RunningRequest(running.life, None, lambda rid: None)
    assert not by_session.is_polled
    assert not by_session.is_cancelled()
