"""The scripted engine."""

from __future__ import annotations

# Each waits an hour in the state it is named after.
SCRIPT = (
    {"prompt": "check", "accept_seconds": 3600},
    {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600},
    {"prompt": "decode", "text": "ab", "token_seconds": 3600},
    {"prompt": "die", "die_at": 0},
)


def test_full_queue_refuses_at_once(start):
    """Beyond the limit a request is overloaded, not queued; when one has gone there is room again."""
    backend = start(*SCRIPT, max_num_queued_reqs=4)
    senders = [backend.generate("prefill", stream=True, rid=f"q{number}") for number in range(4)]
    for sender in senders:
        sender.wait_for("accepted")
    assert backend.generate("prefill").finish()[-1][3] == "overloaded"
    backend.ask("abort", target="q0").finish()
    senders[0].finish()
    while backend.stats()["unfinished"] > 3:
        pass
    assert backend.generate("anything").finish()[-1][1] == "end"
