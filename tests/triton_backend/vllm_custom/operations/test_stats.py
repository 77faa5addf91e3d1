"""`stats`: what runs."""

from __future__ import annotations


def test_stats_count_what_runs(start):
    """stats tells queued and running requests, and whether the engine lives."""
    backend = start({"prompt": "wait", "prefill_seconds": 3600})
    backend.generate("wait").wait_for("accepted")
    assert backend.stats() == {
        "accepting": True, "ready": True, "queued": 0, "running": 1, "engine": "replay", "alive": True,
        "unfinished": 1, "state": "serving", "reason": None, "restarts": 0,
    }  # fmt: skip
