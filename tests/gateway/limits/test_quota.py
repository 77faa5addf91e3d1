"""Limits per minute, with a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestsLimited, RequestTooLarge, TokensLimited
from gateway.generation import Accepted, Delta, End, GenerationOutput, ParsedDelta, Usage
from gateway.limits.quota import Bucket, LimitState, Quota, Reservation, duration

MINUTE_NS = 60_000_000_000


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


def reserved(quota: Quota, tokens: int) -> Reservation:
    reservation = quota.reserve(tokens)
    assert reservation is not None
    return reservation


def used(quota: Quota, tokens: int, *, expected: int) -> None:
    """A request that has begun and ended."""
    reservation = reserved(quota, expected)
    reservation.used = tokens
    reservation.settle()


def remaining(quota: Quota) -> int:
    return quota.limits()[-1].remaining


def test_minutes_worth_may_be_spent_at_once() -> None:
    """And then a unit each time its share of the minute has passed."""
    clock = Clock()
    quota = Quota(Bucket(3, clock))
    for _ in range(3):
        quota.count_request()
    with pytest.raises(RequestsLimited) as refused:
        quota.count_request()
    assert refused.value.retry_after_s == 20
    assert "Limit 3, Used 3, Requested 1. Please try again in 20s." in refused.value.message
    clock.now_ns += 20_000_000_000
    quota.count_request()
    with pytest.raises(RequestsLimited):
        quota.count_request()


@given(
    per_minute=st.integers(1, 100_000),
    steps=st.lists(st.tuples(st.integers(0, 2 * MINUTE_NS), st.integers(1, 100_000)), max_size=30),
)
def test_wait_that_is_told_is_long_enough_and_no_longer(per_minute: int, steps: list[tuple[int, int]]) -> None:
    """Whatever came before: a nanosecond earlier it is too little."""
    clock = Clock()
    bucket = Bucket(per_minute, clock)
    for pause_ns, amount in steps:
        clock.now_ns += pause_ns
        asked = min(amount, per_minute)
        if wait_ns := bucket.wait_ns(asked):
            clock.now_ns += wait_ns - 1
            assert bucket.wait_ns(asked) == 1
            clock.now_ns += 1
            assert bucket.wait_ns(asked) == 0
        bucket.take(asked)


@given(
    per_minute=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.integers(0, MINUTE_NS), st.integers(1, 1000)), max_size=50),
)
def test_no_more_is_let_in_than_the_limit(per_minute: int, steps: list[tuple[int, int]]) -> None:
    """In all: a bucket and what ran in meanwhile."""
    clock = Clock()
    quota, taken, began = Quota(tokens=Bucket(per_minute, clock)), 0, clock.now_ns
    for pause_ns, amount in steps:
        clock.now_ns += pause_ns
        try:
            used(quota, amount, expected=amount)
            taken += amount
        except TokensLimited:
            continue
    assert taken <= per_minute + per_minute * (clock.now_ns - began) / MINUTE_NS


def test_what_was_not_used_is_put_back() -> None:
    """When the request ends; never more than there was."""
    quota = Quota(tokens=Bucket(100, Clock()))
    reservation = reserved(quota, 80)
    assert remaining(quota) == 20
    reservation.used = 30
    reservation.settle()
    assert remaining(quota) == 70
    used(quota, 0, expected=70)
    assert remaining(quota) == 70


USAGE = Usage(prompt_tokens=5, completion_tokens=9, cached_tokens=0)


@pytest.mark.parametrize(
    ("outputs", "counted"),
    [
        ([], 0),
        ([[Accepted(5)]], 5),
        ([[Accepted(5)], [Accepted(5)]], 5),
        ([[Accepted(5), Delta(0, "a", 2, None)], [Delta(1, "b", 1, None)]], 8),
        ([[Accepted(5)], [ParsedDelta(0, "", 3, None, "hm", ())]], 8),
        ([[Accepted(5)], [Delta(0, "a", 2, None)], [End(0, "stop", None, USAGE)]], 14),
    ],
    ids=["lost", "accepted", "tried twice", "broken off", "parsed", "complete"],
)
def test_generation_costs_what_it_used(outputs: list[list[GenerationOutput]], counted: int) -> None:
    """Its usage; of one that was broken off what had come."""
    quota = Quota(tokens=Bucket(100, Clock()))
    reservation = reserved(quota, 50)
    for batch in outputs:
        reservation.count(batch)
    reservation.settle()
    assert remaining(quota) == 100 - counted


def test_more_than_expected_leaves_a_debt() -> None:
    """An answer without a limit of its own is not cut; the next one waits for it."""
    clock = Clock()
    quota = Quota(tokens=Bucket(100, clock))
    used(quota, 150, expected=10)
    assert remaining(quota) == 0
    assert quota.limits()[0].reset_ns == 90_000_000_000
    with pytest.raises(TokensLimited) as refused:
        quota.reserve(10)
    assert refused.value.retry_after_s == 36
    clock.now_ns += 36_000_000_000
    used(quota, 10, expected=10)


def test_what_never_fits_is_not_tried_again() -> None:
    """Not even a full bucket would do."""
    with pytest.raises(RequestTooLarge) as refused:
        Quota(tokens=Bucket(100, Clock())).reserve(101)
    assert (refused.value.retry_after_s, refused.value.should_retry) == (None, False)


def test_without_limits_nothing_is_counted_or_told() -> None:
    """There is no state of a limit that there is not."""
    quota = Quota()
    for _ in range(1000):
        quota.count_request()
    assert quota.reserve(10**9) is None
    assert quota.limits() == []


def test_state_of_the_limits() -> None:
    """Limit, rest, and the time until the rest is the limit again."""
    quota = Quota(Bucket(60, Clock()), Bucket(1000, Clock()))
    quota.count_request()
    assert quota.limits() == [LimitState("requests", 60, 59, 1_000_000_000), LimitState("tokens", 1000, 1000, 0)]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (20_000_000, "20ms"),
        (999_000_001, "1s"),
        (1_500_000_000, "1.5s"),
        (59_999_999_999, "1m0s"),
        (360 * 10**9, "6m0s"),
        (3600 * 10**9 + 10**6, "60m0.001s"),
    ],
)
def test_duration_is_written_as_go_does(ns: int, text: str) -> None:
    """Rounded up: who waits so long has waited long enough."""
    assert duration(ns) == text
