"""`health`: whether requests are taken."""

from __future__ import annotations


def answer(sender):
    (record,) = sender.finish()
    assert record[1] == "result", record
    return record[3]


def test_health_is_always_answered(start):
    """Without any switch, with what a probe wants to know."""
    health = answer(start().ask("health"))
    assert health == {"ready": True, "state": "serving", "reason": None, "restarts": 0}
