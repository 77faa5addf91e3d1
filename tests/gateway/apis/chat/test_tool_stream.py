"""Tool calls and reasoning in chunks, judged by OpenAI's own types and accumulator, and the fold of the same outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.stream import ChatFold, ChatStream
from gateway.apis.completions.stream import CompletionStream
from gateway.errors import InternalError
from gateway.generation import Accepted, Delta, End, GenerationOutput, ParsedDelta, ToolCallDelta, Usage
from tests.cases import CRUEL

PLAN = AnswerPlan("chatcmpl-1", 1700000000, "m")
texts = st.text(st.sampled_from(CRUEL) | st.characters(exclude_categories=("Cs",)), max_size=6)


def parsed(text: str = "", reasoning: str = "", *calls: ToolCallDelta) -> ParsedDelta:
    return ParsedDelta(0, text, 1, None, reasoning, calls)


@st.composite
def calling_answers(draw: st.DrawFn) -> list[GenerationOutput]:
    """Reasoning, then content, then calls, each cut anywhere."""
    outputs: list[GenerationOutput] = [Accepted(3)]
    outputs += [parsed("", piece) for piece in draw(st.lists(texts.filter(bool), max_size=3))]
    outputs += [Delta(0, piece, 1, None) for piece in draw(st.lists(texts, max_size=3))]
    for index in range(draw(st.integers(0, 3))):
        first, *rest = draw(st.lists(texts, min_size=1, max_size=4))
        outputs.append(parsed("", "", ToolCallDelta(index, f"call-{index}", f"f{index}", first)))
        outputs += [parsed("", "", ToolCallDelta(index, None, None, piece)) for piece in rest]
    return [*outputs, End(0, draw(st.sampled_from(["stop", "tool_calls"])), None, Usage(3, 5, 0))]


def chunks_of(outputs: list[GenerationOutput], *, may_call: bool = True) -> list[dict[str, Any]]:
    raw = ChatStream(replace(PLAN, include_usage=True, may_call=may_call)).feed(outputs)
    for chunk in raw:
        ChatCompletionChunk.model_validate_json(chunk, strict=True)
    return [orjson.loads(chunk) for chunk in raw]


def fold_of(outputs: list[GenerationOutput], *, may_call: bool = True) -> dict[str, Any]:
    fold = ChatFold(replace(PLAN, may_call=may_call))
    fold.feed(outputs)
    raw = fold.finish().model_dump_json(exclude_none=False)
    ChatCompletion.model_validate_json(raw, strict=True)
    return orjson.loads(raw)


def without_index(message: dict[str, Any]) -> dict[str, Any]:
    """The whole answer has calls in order, and no numbers on them."""
    if "tool_calls" not in message:
        return message
    calls = [{name: value for name, value in call.items() if name != "index"} for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


@given(calling_answers())
def test_fold_is_what_the_sdk_accumulates(outputs: list[GenerationOutput]) -> None:
    """However the answer was cut, the whole and the stream say the same."""
    answer: dict[str, Any] = {}
    for chunk in chunks_of(outputs):
        accumulate_delta(answer, {"choices": chunk["choices"]})
    [streamed], [whole] = answer["choices"], fold_of(outputs)["choices"]
    said = without_index(streamed["delta"])
    # A content of no characters at all is told as null.
    assert {**said, "content": said["content"] or None} == whole["message"]
    assert streamed["finish_reason"] == whole["finish_reason"]


@given(calling_answers())
def test_streaming_helper_sees_the_calls(outputs: list[GenerationOutput]) -> None:
    """The SDK's `chat.completions.stream()` collects the same calls."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks_of(outputs):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    whole = ChatCompletion.model_validate(fold_of(outputs)).choices[0].message.tool_calls or []
    streamed = state.current_completion_snapshot.choices[0].message.tool_calls or []
    assert [(c.id, c.function.name, c.function.arguments) for c in streamed] == [
        (c.id, c.function.name, c.function.arguments) for c in whole if c.type == "function"
    ]


def test_chunks_of_a_call() -> None:
    """The role with a null content, the call's id and name once, its arguments in pieces, then the finish reason."""
    outputs = [
        Accepted(1),
        parsed("", "hm"),
        parsed("", "", ToolCallDelta(0, "call-1", "weather", "")),
        parsed("", "", ToolCallDelta(0, None, None, '{"city"')),
        End(0, "tool_calls", None, Usage(1, 3, 0)),
    ]
    *chunks, _usage = chunks_of(outputs)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": None, "refusal": None},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"tool_calls": [{"index": 0, "id": "call-1", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]},
        {},
    ]  # fmt: skip
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_plain_answers_have_no_trace_of_calls() -> None:
    """Without tools the message has the members it had before, and a content that is never null."""
    outputs: list[GenerationOutput] = [Accepted(1), End(0, "stop", None, Usage(1, 0, 0))]
    assert fold_of(outputs, may_call=False)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }


def test_completions_have_no_place_for_calls() -> None:
    """A backend that sends calls for a completion is at fault."""
    with pytest.raises(InternalError):
        CompletionStream(PLAN).feed([parsed("", "x")])
