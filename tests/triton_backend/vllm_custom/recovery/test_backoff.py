"""The pauses between attempts."""

from __future__ import annotations

from vllm_custom.recovery.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_end():
    """1, 2, 4 … the longest, then nothing more."""
    backoff = Backoff(1.0, 5.0, 5)
    assert [backoff.next() for _ in range(6)] == [1.0, 2.0, 4.0, 5.0, 5.0, None]


def test_long_service_begins_a_new_row():
    """An engine that served for longer than the longest pause has paid for the failures before it; a short one has not."""
    backoff = Backoff(1.0, 5.0, 2)
    assert [backoff.next(), backoff.next(), backoff.next()] == [1.0, 2.0, None]
    backoff.served(4.0)
    assert backoff.next() is None
    backoff.served(6.0)
    assert backoff.next() == 1.0
