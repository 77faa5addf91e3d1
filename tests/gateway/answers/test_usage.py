"""OpenAI's `usage`: at the end with its details, on the way without."""

from __future__ import annotations

from gateway.answers.usage import RunningUsage, wire_usage
from gateway.generation import Accepted, Delta, End, ParsedDelta, Usage


def test_end_tells_the_details() -> None:
    """The total is the sum, and what came from the prefix cache is among the prompt's tokens."""
    assert wire_usage(Usage(5, 3, 2)).model_dump() == {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2},
    }


def test_reasoning_is_told_where_counted() -> None:
    """No reasoning tokens is another thing than nobody having counted them."""
    assert wire_usage(Usage(5, 3, 2, 0)).model_dump()["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert "completion_tokens_details" not in wire_usage(Usage(5, 3, 2)).model_dump()


def test_counts_on_the_way_grow() -> None:
    """Prompts when they are accepted, tokens as they come; an end adds nothing, for its tokens have come."""
    running = RunningUsage()
    outputs = (
        Accepted(3),
        Delta(0, "a", 2, None),
        Accepted(4),
        ParsedDelta(1, "", 5, None, "hm", ()),
        End(0, "stop", None, Usage(3, 7, 0)),
    )
    counts = [running.after(output) for output in outputs]
    assert [(each.prompt_tokens, each.completion_tokens) for each in counts] == [(3, 0), (3, 2), (7, 2), (7, 7), (7, 7)]
    assert all(each.total_tokens == each.prompt_tokens + each.completion_tokens for each in counts)
    assert set(counts[-1].model_dump()) == {"prompt_tokens", "completion_tokens", "total_tokens"}
