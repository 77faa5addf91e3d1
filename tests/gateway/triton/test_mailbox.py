"""What gathers for a slow reader: joined, bounded, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.triton import status
from gateway.triton.mailbox import LIMIT_BYTES, Mailbox, joined

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


def test_what_gathers_is_bounded() -> None:
    """A mailbox that nobody empties says so before it holds much more than its limit."""
    box = Mailbox("r")
    size = 0
    while box.put(["r", "delta", 0, "x" * 1000, 1, None]):
        size += 1000
        assert size < LIMIT_BYTES + 200_000
    assert size > LIMIT_BYTES - 200_000


def test_logprobs_count_too() -> None:
    """They can't be joined, and are larger than their text."""
    box = Mailbox("r")
    logprobs = {"logprobs": [[1, "a", -0.5, [[number, "a", -1.0] for number in range(20)]]]}
    held = 0
    while box.put(["r", "delta", 0, "a", 1, logprobs]):
        held += 1
        assert held < 10_000


@pytest.mark.anyio
async def test_what_came_is_taken_before_the_failure() -> None:
    """An end that arrived with the last breath of a session counts."""
    box = Mailbox("r")
    box.put(["r", "end", 0, "stop", None, {}])
    box.fail(status.unavailable())
    assert len(await box.take()) == 1
    with pytest.raises(Unavailable):
        await box.take()


@pytest.mark.anyio
async def test_waiting_reader_is_woken_once_for_all() -> None:
    """Several records of one message are taken together."""
    box = Mailbox("r")
    taking = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.put(["r", "accepted", None, {}])
    box.put(["r", "delta", 0, "a", 1, None])
    assert [record[1] for record in await taking] == ["accepted", "delta"]
