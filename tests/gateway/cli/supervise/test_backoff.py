"""Twin of gateway/cli/supervise/backoff.py."""

from gateway.cli.supervise.backoff import Backoff


def test_waits_double_up_to_half_a_minute():
    """A program that keeps failing is started ever more rarely, but never less than twice a minute."""
    backoff = Backoff()
    assert [backoff.after(0.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_minute_of_health_is_forgiven():
    """Who served for a minute starts again at one second."""
    backoff = Backoff()
    for _ in range(5):
        backoff.after(3.0)
    assert [backoff.after(60.0), backoff.after(0.0)] == [1, 2]
