"""The names of a model's parsers, and what is refused without them."""

from __future__ import annotations

import pytest
from vllm_custom.errors import ConfigError

TOOLS = [{"type": "function", "function": {"name": "f"}}]


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
