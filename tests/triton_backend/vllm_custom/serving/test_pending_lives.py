"""Control ops that wait."""

from __future__ import annotations

from vllm_custom.contract.lifecycle import Event, Life
from vllm_custom.errors import Internal, Unavailable
from vllm_custom.serving.pending_lives import PendingLives, fail


def life(rid, posts):
    return Life(rid, lambda records, final: posts.append(records))


def test_whoever_waits_is_failed_and_nobody_else():
    """One that has its answer is forgotten."""
    posts, pending = [], PendingLives()
    answered, waiting = life("a", posts), life("b", posts)
    pending.add(answered)
    pending.add(waiting)
    answered.advance(Event.ANSWER, [])
    pending.fail_all(Unavailable("stopping"))
    pending.fail_all(Unavailable("again"))
    assert posts == [[], [["b", "error", None, "unavailable", None, None, "stopping"]]]


def test_fault_of_ours_is_logged(caplog):
    """With the op's rid; others are the client's to read."""
    posts = []
    fail(life("a", posts), Unavailable("asleep"))
    assert not caplog.records
    fail(life("b", posts), Internal("broken"))
    assert "b failed: broken" in caplog.text
