"""Tool calls and reasoning as values: joining, and what is refused without parsers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.parsed import ParsedChoice, joined
from vllm_custom.contract.response import Answer, coalesce
from vllm_custom.errors import ConfigError

TOOLS = [{"type": "function", "function": {"name": "f"}}]
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
    told = {call["index"]: (call["id"], call["name"], call["arguments"]) for call in whole.get("tool_calls", [])}
    assert told == {
        index: (f"f{index}", f"f{index}", "".join(text for which, text in calls if which == index)) for index in seen
    }


def test_records_of_parsed_choices_carry_extra():
    """Reasoning and calls stand beside log probabilities and ids of tokens, and survive being joined."""
    answer = Answer("r", choices=1, prompt_tokens=2, alternatives=None, token_ids=True)
    call = {"index": 0, "id": "c", "name": "f", "arguments": "{"}
    records = []
    for parsed, reason in (
        ({"reasoning": "h"}, None),
        ({"reasoning": "m"}, None),
        ({"tool_calls": [call]}, "tool_calls"),
    ):
        choice = ParsedChoice(0, "", [5], None, reason, None, parsed)
        step = type("Step", (), {"outputs": [choice], "finished": reason is not None, "num_cached_tokens": None})()
        records += answer.read(step)
    delta, end = coalesce(records)
    assert delta[4:] == [3, {"reasoning": "hm", "tool_calls": [call], "token_ids": [5, 5, 5]}]
    assert end[3] == "tool_calls"


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "f"}}, None])
def test_tools_are_refused_without_a_parser(start, choice):
    """The record says what is missing, and where it is written."""
    body = {"tools": TOOLS} | ({} if choice is None else {"tool_choice": choice})
    record = start().generate(**body).finish()[-1]
    assert record[3:6] == ["bad_request", None, "tools"]
    assert "tool parser" in record[6]


def test_tools_not_to_be_called_need_no_parser(start):
    """`tool_choice: none` is a plain answer."""
    assert start({"text": "x"}).generate(tools=TOOLS, tool_choice="none").finish()[-1][1] == "end"


@pytest.mark.parametrize("options", [{"tool_parser": 5}, {"reasoning_parser": ""}, {"toolparser": "hermes"}, []])
def test_faulty_options_are_refused(start, options):
    """A misspelt key, or a parser that is no name, does not load."""
    with pytest.raises(ConfigError, match=r"model\.json"):
        start(vllm_custom=options)


def test_description_names_the_parsers(start):
    """Without any there are none."""
    description = start().ask("describe").finish()[0][3]
    assert (description["tool_parser"], description["reasoning_parser"]) == (None, None)
