"""Tool calls and reasoning as values: joining, and what is refused without parsers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.parsed import ParsedChoice, joined
from vllm_custom.contract.plan import Plan
from vllm_custom.contract.record_builder import NativeRecordBuilder
from vllm_custom.contract.records import coalesce

pieces = st.lists(st.tuples(st.integers(0, 2), st.text(max_size=4)), max_size=12)


@given(pieces, st.lists(st.text(max_size=3), max_size=5))
def test_joining_keeps_every_calls_arguments(calls, thoughts):
    """However deltas gathered, each call stands once, with its first id and name and all of its arguments."""
    seen: set[int] = set()
    extras = [{"reasoning": thought} for thought in thoughts]
    for index, arguments in calls:
        new = index not in seen
        seen.add(index)
        name = f"f{index}" if new else None
        extras.append({"tool_calls": [{"index": index, "id": name, "name": name, "arguments": arguments}]})
    whole = joined(extras) or {}
    assert whole.get("reasoning", "") == "".join(thoughts)
    joined_calls = {
        call["index"]: (call["id"], call["name"], call["arguments"]) for call in whole.get("tool_calls", [])
    }
    assert joined_calls == {
        index: (f"f{index}", f"f{index}", "".join(text for which, text in calls if which == index)) for index in seen
    }


def test_records_of_parsed_choices_carry_extra():
    """Reasoning and calls stand beside log probabilities and ids of tokens, and survive being joined."""
    builder = NativeRecordBuilder("r", Plan(1, 2, None, token_ids=True))
    call = {"index": 0, "id": "c", "name": "f", "arguments": "{"}
    records = []
    for parsed, reason in (
        ({"reasoning": "h"}, None),
        ({"reasoning": "m"}, None),
        ({"tool_calls": [call]}, "tool_calls"),
    ):
        choice = ParsedChoice(0, "", [5], None, reason, None, parsed)
        step = type("Step", (), {"outputs": [choice], "finished": reason is not None, "num_cached_tokens": None})()
        records += builder.read(step)
    delta, end = coalesce(records)
    assert delta[4:] == [3, {"reasoning": "hm", "tool_calls": [call], "token_ids": [5, 5, 5]}]
    assert end[3] == "tool_calls"
