"""The text of one choice through a parser of vLLM's shape."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from vllm_custom.engine.choice_readers import StreamReader, WholeReader


class Request(SimpleNamespace):
    """As vLLM's, as far as it is looked at."""

    def model_copy(self, *, update):
        return Request(**{**vars(self), **update})


def request(**changes):
    plain = {
        "include_reasoning": True, "parallel_tool_calls": True, "tool_choice": "auto", "tools": None,
        "skip_special_tokens": False,
    }  # fmt: skip
    return Request(**{**plain, **changes})


def output(text, finish=None, stop=None):
    return SimpleNamespace(
        index=0, text=text, token_ids=[1, 2], logprobs=None, finish_reason=finish, stop_reason=stop,
        cumulative_logprob=None,
    )  # fmt: skip


class Tokenizer:
    """A letter a token."""

    def decode(self, token_ids, *, skip_special_tokens):
        return "".join(chr(ord("a") + token_id) for token_id in token_ids)


def call(index, name=None, arguments=""):
    return SimpleNamespace(index=index, id=f"c{index}", function=SimpleNamespace(name=name, arguments=arguments))


def function(number):
    return SimpleNamespace(id=f"c{number}", name="f", arguments="{}")


class Parser:
    """Gives these messages, one a delta, and these functions for the whole; half of the tokens are reasoning."""

    def __init__(self, *messages, functions=()):
        self.messages, self.functions = list(messages), functions
        self.reasoning_parser = self
        self.prompt = None
        self.finished = []

    def parse_delta(self, text, token_ids, request, prompt_token_ids, *, finished):
        self.finished.append(finished)
        return self.messages.pop(0)

    def parse(self, text, request, **_):
        return "hm", text, self.functions

    def set_prompt_token_ids(self, prompt_token_ids):
        self.prompt = prompt_token_ids

    def is_reasoning_end(self, token_ids):
        return False

    def count_reasoning_tokens(self, token_ids):
        return len(token_ids) // 2


def message(content=None, reasoning=None, calls=()):
    return SimpleNamespace(content=content, reasoning=reasoning, tool_calls=calls)


def streamed(*messages, **changes):
    parser = Parser(*messages)
    reader = StreamReader(parser, request(**changes), [9])
    last = len(messages) - 1
    return [reader.read(output("raw", "stop" if number == last else None)) for number in range(len(messages))]


def test_stream_is_split_delta_by_delta():
    """Reasoning beside the answer; a delta of which nothing is visible has an empty text."""
    thought, nothing, answered = streamed(message(reasoning="hm"), None, message(content="yes"))
    assert (thought.text, thought.parsed) == ("", {"reasoning": "hm"})
    assert (nothing.text, nothing.parsed) == ("", {})
    assert (answered.text, answered.parsed, answered.finish_reason) == ("yes", {}, "stop")
    assert [each.reasoning_tokens for each in (thought, nothing, answered)] == [None, None, 3]


@pytest.mark.parametrize(
    ("tool_choice", "reason"), [("auto", "tool_calls"), ("required", "tool_calls"), (None, "tool_calls"), ({}, "stop")]
)
def test_call_changes_why_a_choice_ended(tool_choice, reason):
    """OpenAI says `stop` where the client named the function itself. The call may have come long before the end."""
    _, last = streamed(message(calls=[call(0, "f", "{}")]), message(), tool_choice=tool_choice)
    assert last.finish_reason == reason


@pytest.mark.parametrize("arguments", ["", "{", '{"a": "b'])
def test_call_that_is_not_complete_can_not_be_made(arguments):
    """So it is no reason to end for."""
    _, last = streamed(message(calls=[call(0, "f", "{}")]), message(calls=[call(1, "f", arguments)]))
    assert last.finish_reason == "stop"


@pytest.mark.parametrize(
    ("finish", "stop", "tools", "finished"),
    [
        ("stop", None, [1], True),
        ("stop", 5, [1], True),
        ("length", None, [1], False),
        ("stop", "x", [1], False),
        ("length", None, None, True),
    ],
)
def test_parser_closes_no_call_that_was_broken_off(finish, stop, tools, finished):
    """At the end of a whole call it may; the answer that is not streamed is then read as a stream."""
    parser = Parser(message(content="b"))
    StreamReader(parser, request(tools=tools), [9]).read(output("b", finish, stop))
    assert parser.finished == [finished]
    made = []

    def make():
        made.append(Parser(message(content="b"), message(content="c")))
        return made[-1]

    choice = WholeReader(make, request(tools=tools), [9], Tokenizer(), auto_tools=True).read(output("bc", finish, stop))
    assert (choice.text, choice.finish_reason) == ("bc", finish)
    assert made[0].finished == ([] if finished else [False, False])


def test_second_call_is_dropped_where_one_is_wanted():
    """`parallel_tool_calls: false`, in a stream and as a whole."""
    (choice,) = streamed(message(calls=[call(0, "f"), call(1, "g")]), parallel_tool_calls=False)
    assert [each["index"] for each in choice.parsed["tool_calls"]] == [0]
    parser = Parser(functions=[function(0), function(1)])
    reader = WholeReader(lambda: parser, request(parallel_tool_calls=False), [9], Tokenizer(), auto_tools=True)
    whole = reader.read(output("raw", "stop"))
    assert whole.parsed["tool_calls"] == [{"index": 0, "id": "c0", "name": "f", "arguments": "{}"}]


def test_unwanted_reasoning_is_left_out():
    """`include_reasoning: false`; it is counted all the same."""
    (choice,) = streamed(message(reasoning="hm", content="yes"), include_reasoning=False)
    assert (choice.parsed, choice.text, choice.reasoning_tokens) == ({}, "yes", 1)


def test_whole_answer_is_parsed_once():
    """With the prompt shown to the parser first."""
    parser = Parser()
    choice = WholeReader(lambda: parser, request(), [9], Tokenizer(), auto_tools=True).read(output("said", "length"))
    assert parser.prompt == [9]
    assert (choice.text, choice.parsed, choice.finish_reason) == ("said", {"reasoning": "hm"}, "length")
