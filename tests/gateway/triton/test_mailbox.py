"""What gathers for a slow reader: joined, bounded, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, Overloaded, Unavailable
from gateway.generation import Backpressure
from gateway.triton import mailbox, status
from gateway.triton.mailbox import BURST, LIMIT_BYTES, Mailbox, joined

ACCEPTED: list[Any] = ["r", "accepted", None, {}]
A: list[Any] = ["r", "delta", 0, "a", 1, None]
END: list[Any] = ["r", "end", 0, "stop", None, {}]

deltas = st.builds(lambda choice, text: ["r", "delta", choice, text, 1, None], st.integers(0, 2), st.text(max_size=3))
others = st.sampled_from(
    [["r", "accepted", None, {}], ["r", "end", 1, "stop", None, None], ["r", "delta", 0, "x", 1, {}]]
)


def text_of(records: list[list[Any]], choice: int) -> str:
    return "".join(record[3] for record in records if record[1] == "delta" and record[2] == choice)


@given(st.lists(st.one_of(deltas, others)))
def test_joining_changes_no_text_and_no_count(records: list[list[Any]]) -> None:
    """Every choice has its text in order, everything but plain deltas is there as it came."""
    result = joined([[*record] for record in records])
    for choice in range(3):
        assert text_of(result, choice) == text_of(records, choice)
    assert sum(r[4] for r in result if r[1] == "delta") == sum(r[4] for r in records if r[1] == "delta")
    rest = [r for r in records if r[1] != "delta" or r[5] is not None]
    assert [r for r in result if r[1] != "delta" or r[5] is not None] == rest
    assert joined(result) == result


def test_delta_never_passes_what_came_before_it() -> None:
    """The text behind an end stays behind it."""
    a, end, b = ["r", "delta", 0, "a", 1, None], ["r", "end", 1, "stop", None, None], ["r", "delta", 0, "b", 1, None]
    assert joined([a, end, b]) == [a, end, b]


def put(box: Mailbox, record: list[Any]) -> bool:
    """As the session's reader does; whether it may go on."""
    box.records.append(record)
    return len(box.records) < box.join_at or box.has_room()


def deliver(box: Mailbox) -> None:
    """At once."""
    box.deliver(asyncio.get_running_loop().time())


class Taker:
    """A consumer that can be blocked, and can raise. Plain text is kept as the record that it came in."""

    choices = 3

    def __init__(self) -> None:
        self.taken: list[list[list[Any]]] = []
        self.texts = 0
        self.blocked: asyncio.Future[None] | None = None
        self.fault: Exception | None = None
        self.error: GatewayError | None = None
        self.is_complete = False

    def take(self, records: list[list[Any]]) -> Backpressure:
        self.taken.append(records)
        if self.fault is not None:
            raise self.fault
        return self.blocked

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        self.texts += 1
        return self.take([["r", "delta", choice, text, token_count, None]])

    def block(self) -> asyncio.Future[None]:
        self.blocked = asyncio.get_running_loop().create_future()
        return self.blocked


def blocked_mailbox() -> Mailbox:
    """One whose consumer has said that it can take no more."""
    taker = Taker()
    taker.block()
    box = Mailbox("r", taker)
    put(box, ACCEPTED)
    deliver(box)
    return box


@pytest.mark.anyio
async def test_records_of_a_message_are_delivered_together() -> None:
    """In order, and nothing is delivered twice."""
    taker = Taker()
    box = Mailbox("r", taker)
    for record in (ACCEPTED, A):
        put(box, record)
    deliver(box)
    deliver(box)
    assert taker.taken == [[ACCEPTED, A]]
    assert not box.records


@pytest.mark.anyio
async def test_blocked_consumer_gets_the_rest_joined() -> None:
    """Nothing while it is blocked; then all of it at once."""
    taker = Taker()
    blocked = taker.block()
    box = Mailbox("r", taker)
    put(box, ACCEPTED)
    deliver(box)
    taker.blocked = None
    for _ in range(100):
        put(box, A)
        deliver(box)
    assert taker.taken == [[ACCEPTED]]
    blocked.set_result(None)
    await asyncio.sleep(0)
    [_, rest] = taker.taken
    assert text_of(rest, 0) == "a" * 100
    assert len(rest) < 70


@pytest.mark.anyio
async def test_what_gathers_is_bounded() -> None:
    """A mailbox whose consumer stays away says so before it holds much more than its limit."""
    box = blocked_mailbox()
    size = 0
    while put(box, ["r", "delta", 0, "x" * 1000, 1, None]):
        size += 1000
        assert size < LIMIT_BYTES + 200_000
    assert size > LIMIT_BYTES - 200_000


@pytest.mark.anyio
async def test_logprobs_count_too() -> None:
    """They can't be joined, and are larger than their text."""
    box = blocked_mailbox()
    logprobs = {"logprobs": [[1, "a", -0.5, [[number, "a", -1.0] for number in range(20)]]]}
    held = 0
    while put(box, ["r", "delta", 0, "a", 1, logprobs]):
        held += 1
        assert held < 10_000


@pytest.mark.anyio
async def test_end_is_awaited() -> None:
    """The request's task sleeps until the consumer has had the last record."""
    taker = Taker()
    box = Mailbox("r", taker)
    task = asyncio.create_task(box.until_end())
    put(box, A)
    deliver(box)
    await asyncio.sleep(0)
    assert not task.done()
    taker.is_complete = True
    put(box, END)
    deliver(box)
    await task


@pytest.mark.anyio
async def test_error_that_the_consumer_has_read_ends_the_request() -> None:
    """With that error."""
    taker = Taker()
    box = Mailbox("r", taker)
    taker.error = status.overloaded()
    put(box, ["r", "error", None, "overloaded", None, None, ""])
    deliver(box)
    with pytest.raises(Overloaded):
        await box.until_end()


@pytest.mark.anyio
async def test_what_came_is_taken_before_the_failure() -> None:
    """An end that arrived with the last breath of a session counts."""
    taker = Taker()
    blocked = taker.block()
    box = Mailbox("r", taker)
    put(box, ACCEPTED)
    deliver(box)
    put(box, END)
    box.fail(status.unavailable())
    task = asyncio.create_task(box.until_end())
    await asyncio.sleep(0)
    assert not task.done()
    taker.blocked = None
    blocked.set_result(None)
    with pytest.raises(Unavailable):
        await task
    assert taker.taken == [[ACCEPTED], [END]]


@pytest.mark.anyio
async def test_consumer_that_raises_fails_the_request() -> None:
    """And nobody else; it is called no more."""
    taker = Taker()
    taker.fault = KeyError("a fault")
    box = Mailbox("r", taker)
    for _ in range(2):
        put(box, A)
        deliver(box)
    with pytest.raises(KeyError):
        await box.until_end()
    assert len(taker.taken) == 1


@pytest.mark.anyio
async def test_flood_is_delivered_in_larger_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first messages come through at any pace, then several at a time, joined; all of the text, in order, and before
    the error that ended it."""
    monkeypatch.setattr(mailbox, "INTERVAL_S", 0.1)
    taker = Taker()
    box = Mailbox("r", taker)
    for number in range(200):
        put(box, ["r", "delta", 0, f"{number} ", 1, None])
        deliver(box)
    assert BURST <= len(taker.taken) < 100
    box.fail(status.unavailable())
    with pytest.raises(Unavailable):
        await box.until_end()
    records = [record for records in taker.taken for record in records]
    assert text_of(records, 0) == "".join(f"{number} " for number in range(200))
    assert len(records) < 150


@pytest.mark.anyio
async def test_text_alone_takes_the_shorter_way() -> None:
    """In order with what does not; what is malformed, or of a choice that there is not, is for the consumer to read."""
    taker = Taker()
    box = Mailbox("r", taker)
    detailed = ["r", "delta", 0, "b", 1, {"token_ids": [1]}]
    malformed = ["r", "delta", 0, "a", -1, None]
    nobodys = ["r", "delta", 3, "a", 1, None]
    messages = [[A], [detailed], [A, END], [malformed], [nobodys], [A]]
    ways: list[int] = []
    for records in messages:
        for record in records:
            put(box, record)
        deliver(box)
        ways.append(taker.texts)
    assert taker.taken == messages
    assert ways == [1, 1, 1, 1, 1, 2]


@pytest.mark.anyio
async def test_shorter_way_can_block_and_fail() -> None:
    """As the longer one."""
    taker = Taker()
    blocked = taker.block()
    box = Mailbox("r", taker)
    put(box, A)
    deliver(box)
    assert taker.texts == 1
    assert box.waiting_since is None
    put(box, A)
    deliver(box)
    assert box.records == [A]
    taker.fault = KeyError("a fault")
    blocked.set_result(None)
    with pytest.raises(KeyError):
        await box.until_end()
    assert box.waiting_since is not None
