"""Deadlines: in order, once, and not after they were cancelled."""

from __future__ import annotations

import threading

import pytest
from vllm_custom.serving.deadlines import SLACK, Deadlines

from tests.triton_backend.vllm_custom.conftest import thread_names


@pytest.fixture
def deadlines():
    deadlines = Deadlines()
    deadlines.start()
    yield deadlines
    deadlines.stop(5)
    assert "deadlines" not in thread_names()


def test_earlier_ones_come_first_whenever_they_were_set(deadlines):
    """A deadline that is set later and falls due earlier does not wait for the others."""
    order, done = [], threading.Event()
    deadlines.set(3600, lambda: order.append("never"))
    deadlines.set(0.1, lambda: (order.append("second"), done.set()))
    deadlines.set(0.01, lambda: order.append("first"))
    assert done.wait(10)
    assert order == ["first", "second"]


def test_cancelled_deadline_does_not_come(deadlines):
    """Cancelling lets go of the callback; cancelling twice, or too late, is harmless."""
    came, done = [], threading.Event()
    number = deadlines.set(0.05, lambda: came.append("cancelled"))
    deadlines.cancel(number)
    last = deadlines.set(0.1, done.set)
    assert done.wait(10)
    deadlines.cancel(number)
    deadlines.cancel(last)
    assert came == []
    assert len(deadlines) == 0


def test_fault_in_one_does_not_end_the_others(deadlines):
    """A callback that raises is logged, and the next one comes."""
    done = threading.Event()
    deadlines.set(0.001, lambda: 1 / 0)
    deadlines.set(0.01, done.set)
    assert done.wait(10)


def test_cancelled_ones_do_not_pile_up(deadlines):
    """Requests that end before their long deadlines leave no entry for each behind."""
    for _ in range(5 * SLACK):
        deadlines.cancel(deadlines.set(3600, lambda: None))
    assert deadlines.entries <= SLACK + 1
