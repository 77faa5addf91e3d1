"""Chat chunks, calls and reasoning too, judged by OpenAI's own types and accumulator, and the fold of the same outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta  # the SDK's own: the name is private, the behaviour is not
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.stream import ChatFold, ChatStream
from gateway.errors import InternalError
from gateway.generation import (
    Accepted,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from tests.cases import CRUEL, Generation, StreamCase, generations, stream_cases

PLAN = AnswerPlan("chatcmpl-1", 1700000000, 'my "model"')
CASES = stream_cases()


def chunks_of(generation: Generation, *, include_usage: bool = False) -> list[dict[str, Any]]:
    stream = ChatStream(replace(PLAN, choices=generation.choices, include_usage=include_usage))
    raw = [chunk for message in generation.messages for chunk in stream.feed(message)]
    assert not any(b"\n" in chunk or b"\r" in chunk for chunk in raw), "an SSE event is one line"
    for chunk in raw:
        ChatCompletionChunk.model_validate_json(chunk, strict=True)
    return [orjson.loads(chunk) for chunk in raw]


def fold_of(generation: Generation) -> dict[str, Any]:
    fold = ChatFold(replace(PLAN, choices=generation.choices))
    for message in generation.messages:
        fold.feed(message)
    raw = fold.finish().model_dump_json()
    ChatCompletion.model_validate_json(raw, strict=True)
    return orjson.loads(raw)


def accumulated(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """What OpenAI's accumulator makes of the chunks, in the shape of a whole answer."""
    answer: dict[str, Any] = {}
    for chunk in chunks:
        header = {name: chunk[name] for name in ("id", "created", "model")}
        assert answer.setdefault("header", header) == header
        accumulate_delta(answer, {"choices": chunk["choices"], "usage": chunk.get("usage")})
    return answer


def assert_same(answer: dict[str, Any], whole: dict[str, Any]) -> None:
    assert answer["header"] == {name: whole[name] for name in ("id", "created", "model")}
    assert answer["usage"] == whole["usage"]
    choices = sorted(answer["choices"], key=lambda choice: choice["index"])
    assert len(choices) == len(whole["choices"])
    for streamed, complete in zip(choices, whole["choices"], strict=True):
        assert streamed["delta"] == complete["message"]
        assert streamed["finish_reason"] == complete["finish_reason"]
        assert streamed.get("stop_reason") == complete["stop_reason"]
        assert (streamed["logprobs"] or None) == (complete["logprobs"] or None)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_transcript_makes_these_chunks(case: StreamCase) -> None:
    """Role, content, finish: in this order, choice by choice, whole or output by output."""
    for messages in ([case.outputs], [[output] for output in case.outputs]):
        chunks = chunks_of(Generation(case.choices, messages))
        assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
        assert all(chunk["model"] == PLAN.model and chunk["id"] == PLAN.id for chunk in chunks)
        seen = []
        for chunk in chunks:
            [choice] = chunk["choices"]
            seen.append([choice["index"], choice["delta"], choice["finish_reason"]])
            if "stop_reason" in choice:
                seen[-1].append(choice["stop_reason"])
            assert "usage" not in chunk
        assert seen == case.chat


@given(generations())
def test_fold_is_what_the_sdk_accumulates(generation: Generation) -> None:
    """However the text was cut, the whole answer and the stream say the same."""
    assert_same(accumulated(chunks_of(generation, include_usage=True)), fold_of(generation))


@given(generations(logprobs=True))
def test_streaming_helper_sees_the_fold(generation: Generation) -> None:
    """The SDK's `chat.completions.stream()` collects log-probabilities too, token for token."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    chunks = chunks_of(generation, include_usage=True)
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    whole = ChatCompletion.model_validate(fold_of(generation))
    snapshot = state.current_completion_snapshot
    assert snapshot.usage == whole.usage
    for streamed, complete in zip(sorted(snapshot.choices, key=lambda c: c.index), whole.choices, strict=True):
        assert streamed.message.content == complete.message.content
        assert streamed.finish_reason == complete.finish_reason
        assert streamed.logprobs == complete.logprobs


@given(generations())
def test_chunking_does_not_change_the_chunks(generation: Generation) -> None:
    """How outputs were packed into messages is not seen by the client."""
    apart = [[output] for message in generation.messages for output in message]
    assert chunks_of(generation) == chunks_of(Generation(generation.choices, apart))


def test_usage_is_null_until_the_last_chunk() -> None:
    """With include_usage every chunk has the member; the last has no choices and the counts."""
    case = CASES["plain answer"]
    *chunks, last = chunks_of(Generation(1, [case.outputs]), include_usage=True)
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 3,
        "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_logprobs_have_openais_shape() -> None:
    """An object a token with its bytes, and the alternatives; a token without text makes a chunk too."""
    token = TokenLogprob(5, "é", -0.25, ((5, "é", -0.25), (6, "e", -1.5)))
    stream = ChatStream(PLAN)
    [_, first, second] = [
        orjson.loads(c) for c in stream.feed([Accepted(1), Delta(0, "", 1, (token,)), Delta(0, "é", 1, ())])
    ]
    [choice] = first["choices"]
    assert choice["delta"] == {"content": ""}
    assert choice["logprobs"] == {
        "content": [
            {
                "token": "é",
                "logprob": -0.25,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.25, "bytes": [195, 169]},
                    {"token": "e", "logprob": -1.5, "bytes": [101]},
                ],
            }
        ],
        "refusal": None,
    }
    assert second["choices"][0]["logprobs"] == {"content": [], "refusal": None}


def test_unfinished_choice_is_our_fault() -> None:
    """An answer of which a choice never ended is not passed off as complete."""
    fold = ChatFold(replace(PLAN, choices=2))
    fold.feed([Accepted(1), Delta(0, "a", 1, None), End(0, "stop", None, Usage(1, 1, 0))])
    with pytest.raises(InternalError):
        fold.finish()


def test_long_answers_fold_in_linear_time() -> None:
    """Ten times the tokens must not take a hundred times as long, with log-probabilities too."""
    from time import thread_time  # other work shares the processor

    token = TokenLogprob(1, "a", -0.5, ())

    def seconds(tokens: int) -> float:
        fold = ChatFold(PLAN)
        started = thread_time()
        for _ in range(tokens):
            fold.feed([Delta(0, "a", 1, (token,))])
        return thread_time() - started

    seconds(1000)
    quick, slow = (min(seconds(tokens) for _ in range(3)) for tokens in (2_000, 20_000))
    assert slow < 40 * max(quick, 0.001)


# Reasoning and tool calls


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


def calling_chunks_of(outputs: list[GenerationOutput], *, may_call: bool = True) -> list[dict[str, Any]]:
    raw = ChatStream(replace(PLAN, include_usage=True, may_call=may_call)).feed(outputs)
    for chunk in raw:
        ChatCompletionChunk.model_validate_json(chunk, strict=True)
    return [orjson.loads(chunk) for chunk in raw]


def calling_fold_of(outputs: list[GenerationOutput], *, may_call: bool = True) -> dict[str, Any]:
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
def test_fold_of_calls_is_what_the_sdk_accumulates(outputs: list[GenerationOutput]) -> None:
    """However the answer was cut, the whole and the stream say the same."""
    answer: dict[str, Any] = {}
    for chunk in calling_chunks_of(outputs):
        accumulate_delta(answer, {"choices": chunk["choices"]})
    [streamed], [whole] = answer["choices"], calling_fold_of(outputs)["choices"]
    said = without_index(streamed["delta"])
    # A content of no characters at all is told as null.
    assert {**said, "content": said["content"] or None} == whole["message"]
    assert streamed["finish_reason"] == whole["finish_reason"]


@given(calling_answers())
def test_streaming_helper_sees_the_calls(outputs: list[GenerationOutput]) -> None:
    """The SDK's `chat.completions.stream()` collects the same calls."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in calling_chunks_of(outputs):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    whole = ChatCompletion.model_validate(calling_fold_of(outputs)).choices[0].message.tool_calls or []
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
    *chunks, _usage = calling_chunks_of(outputs)
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
    assert calling_fold_of(outputs, may_call=False)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }
