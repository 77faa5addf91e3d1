"""Deltas that carry reasoning or tool calls."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import InternalError
from gateway.generation import Delta, ParsedDelta, ToolCallDelta
from gateway.triton.records import to_outputs


def read(extra: Any) -> Any:
    outputs, error = to_outputs([["r", "delta", 0, "t", 1, extra]], 1)
    return outputs[0] if error is None else error


def test_extra_becomes_a_parsed_delta() -> None:
    """Reasoning and calls, each of which may be missing; text and count stay what they are."""
    call = {"index": 1, "id": "c", "name": "f", "arguments": "{"}
    assert read({"reasoning": "hm"}) == ParsedDelta(0, "t", 1, None, "hm", ())
    assert read({"tool_calls": [call]}) == ParsedDelta(0, "t", 1, None, "", (ToolCallDelta(1, "c", "f", "{"),))
    later = {"index": 1, "id": None, "name": None, "arguments": "}"}
    assert read({"tool_calls": [later]}).tool_calls == (ToolCallDelta(1, None, None, "}"),)


def test_other_extras_leave_a_delta_plain() -> None:
    """Token ids alone make nothing to parse."""
    assert read({"token_ids": [1]}) == Delta(0, "t", 1, None, (1,))


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning": 5},
        {"tool_calls": "x"},
        {"tool_calls": [{}]},
        {"tool_calls": [{"index": -1, "id": "c", "name": "f", "arguments": ""}]},
        {"tool_calls": [{"index": 0, "id": "c", "name": "f", "arguments": None}]},
        {"tool_calls": 7},
    ],
)
def test_malformed_extra_is_our_fault(extra: Any) -> None:
    """What does not follow the contract ends the request with a 500."""
    assert isinstance(read(extra), InternalError)
