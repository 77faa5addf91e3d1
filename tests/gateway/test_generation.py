"""Values of text generation: what they add up to."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.generation import (
    NO_USAGE,
    Accepted,
    Delta,
    DroppingSink,
    End,
    GenerationOutput,
    GenerationRequest,
    Usage,
    usage_of,
)

counts = st.integers(0, 1000)
usages = st.builds(Usage, counts, counts, counts, st.none() | counts)


@pytest.mark.parametrize(
    ("prompt", "params", "most"),
    [
        ([5, 6], {}, 2),
        ([5, 6], {"max_tokens": 10}, 12),
        ([5, 6], {"max_completion_tokens": 10, "n": 3}, 32),
        ([5, 6], {"n": 3}, 2),
        (None, {"max_tokens": 10}, 10),
        (None, {}, 0),
    ],
)
def test_most_tokens_are_prompt_and_answers(prompt: list[int] | None, params: dict[str, Any], most: int) -> None:
    """Of each choice as many as it may have; what is not known yet counts as none."""
    ids = None if prompt is None else array("i", prompt)
    assert GenerationRequest("r", "m", "chat", ids, params).most_tokens == most


@given(st.lists(usages, max_size=5))
def test_usage_adds_up(each: list[Usage]) -> None:
    """Of nothing it is none; reasoning is counted as soon as one of them counts it."""
    total = sum(each, NO_USAGE)
    assert total.prompt_tokens == sum(usage.prompt_tokens for usage in each)
    assert total.completion_tokens == sum(usage.completion_tokens for usage in each)
    assert total.cached_tokens == sum(usage.cached_tokens for usage in each)
    reasoning = [usage.reasoning_tokens for usage in each if usage.reasoning_tokens is not None]
    assert total.reasoning_tokens == (sum(reasoning) if reasoning else None)


def test_usage_comes_with_the_last_end() -> None:
    """With no other output, and with no other choice's end."""
    usage = Usage(3, 2, 1)
    ends: list[GenerationOutput] = [Delta(0, "a", 1, None), End(1, "stop", None, None), End(0, "stop", None, usage)]
    assert usage_of(ends) == usage
    assert usage_of(ends[:2]) is usage_of([Accepted(3)]) is usage_of([]) is None


def test_dropping_sink_takes_everything() -> None:
    """And can always take more."""
    sink = DroppingSink()
    assert sink.take([Accepted(3)]) is sink.take_text(0, "a", 1) is None  # type: ignore[func-returns-value]
