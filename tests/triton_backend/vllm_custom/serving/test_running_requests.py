"""The running requests, by rid."""

from __future__ import annotations

import pytest
from vllm_custom.contract.lifecycle import Event, Life
from vllm_custom.errors import BadRequest, Cancelled
from vllm_custom.serving.running_request import RunningRequest
from vllm_custom.serving.running_requests import REMEMBERED_ABORTS, RunningRequests


def request(rid, aborted=None):
    life = Life(rid, lambda records, final: None)
    return RunningRequest(life, None, (aborted if aborted is not None else []).append)


def test_rid_is_free_again_when_its_request_has_gone():
    """Two at a time are refused, and the removal of the refused one leaves the first alone."""
    running, first, second = RunningRequests(), request("a"), request("a")
    running.add(first)
    with pytest.raises(BadRequest, match="in use"):
        running.add(second)
    running.remove(second)
    assert running.snapshot() == [first]
    running.remove(first)
    running.add(second)
    assert len(running) == 1


def test_abort_ends_the_request_and_frees_the_engine():
    """Once; one that has ended is not aborted."""
    aborted = []
    running, one = RunningRequests(), request("a", aborted)
    running.add(one)
    one.life.advance(Event.ACCEPT, [])
    assert running.abort("a")
    assert one.outcome == "cancelled"
    assert not running.abort("a")
    assert aborted == ["a"]


def test_early_abort_is_for_one_request():
    """It ends the request that comes with its rid, and no other after it."""
    running = RunningRequests()
    assert not running.abort("a")
    with pytest.raises(Cancelled):
        running.add(request("a"))
    running.add(request("a"))


def test_early_aborts_are_forgotten_in_order():
    """Of too many, the oldest goes: a client cannot fill the memory with rids that never come."""
    running = RunningRequests()
    for number in range(REMEMBERED_ABORTS + 1):
        running.abort(f"r{number}")
    running.add(request("r0"))
    with pytest.raises(Cancelled):
        running.add(request("r1"))


def test_empty_is_reported_once():
    """At once where nothing runs, else by whoever removes the last one."""
    running, one, calls = RunningRequests(), request("a"), []
    running.when_empty(lambda: calls.append("at once"))
    running.add(one)
    running.when_empty(lambda: calls.append("later"))
    assert calls == ["at once"]
    running.remove(one)
    running.remove(one)
    assert calls == ["at once", "later"]
