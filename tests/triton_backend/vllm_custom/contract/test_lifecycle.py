"""The table of one request's life."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.lifecycle import TERMINAL, TRANSITIONS, Event, IllegalTransition, Life, RequestState


def test_every_living_state_can_be_ended_by_everyone():
    """Abort and failure are legal wherever a request can be, so nobody who ends one has to ask first."""
    living = set(RequestState) - TERMINAL
    assert {(state, event) for state in living for event in (Event.ABORT, Event.FAIL)} <= TRANSITIONS.keys()


def test_nothing_leads_out_of_a_terminal_state():
    """A terminal state has no row."""
    assert not {state for state, _ in TRANSITIONS} & TERMINAL


@given(st.lists(st.sampled_from(Event)))
def test_whatever_happens_one_final_post_is_the_last(events):
    """For any sequence of events: at most one final post, nothing behind it, and exactly one once a state is terminal."""
    posts = []
    life = Life("r", lambda records, final: posts.append((records, final)))
    for number, event in enumerate(events):
        ended = life.ended
        try:
            assert life.advance(event, [[number]]) is not ended
        except IllegalTransition:
            assert not ended
    finals = [final for _, final in posts]
    assert finals.count(True) == int(life.ended)
    assert True not in finals[:-1]


@pytest.mark.parametrize("event", [Event.OUTPUT, Event.FINISH])
def test_output_before_accepted_is_illegal(event):
    """An engine that speaks before it has accepted is a fault, not a state."""
    life = Life("r", lambda records, final: None)
    with pytest.raises(IllegalTransition):
        life.advance(event, [])
    assert life.state is RequestState.QUEUED


def test_end_is_reported_once_and_after_the_final_post():
    """Whoever waits for the end finds the terminal record posted."""
    happened = []
    life = Life("r", lambda records, final: happened.append("post"))
    life.on_end = lambda: happened.append("end")
    assert life.advance(Event.ABORT, [])
    assert not life.advance(Event.FAIL, [])
    assert happened == ["post", "end"]


def test_of_many_threads_one_ends_it():
    """When eight threads end a request at the same moment, one of them does."""
    posts, won = [], []
    life = Life("r", lambda records, final: posts.append(final))
    start = threading.Barrier(8)

    def end():
        start.wait()
        won.append(life.advance(Event.ABORT, []))

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won.count(True) == 1
    assert posts == [True]
