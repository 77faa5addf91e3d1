"""Completion chunks, and the fold of the same outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from openai.types import Completion

from gateway.answers.plan import AnswerPlan
from gateway.apis.completions.stream import CompletionFold, CompletionStream
from gateway.errors import InternalError
from gateway.generation import Accepted, Delta, End, ParsedDelta, TokenLogprob, Usage
from tests.cases import Generation, StreamCase, generations, stream_cases

PLAN = AnswerPlan("cmpl-1", 1700000000, "m")
CASES = stream_cases()


def chunks_of(generation: Generation, *, include_usage: bool = True) -> list[dict[str, Any]]:
    stream = CompletionStream(replace(PLAN, choices=generation.choices, include_usage=include_usage))
    raw = [chunk for message in generation.messages for chunk in stream.feed(message)]
    assert not any(b"\n" in chunk or b"\r" in chunk for chunk in raw)
    return [orjson.loads(chunk) for chunk in raw]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_transcript_makes_these_chunks(case: StreamCase) -> None:
    """Text, then an empty text with the finish reason; no role."""
    chunks = chunks_of(Generation(case.choices, [case.outputs]), include_usage=False)
    assert all(chunk["object"] == "text_completion" for chunk in chunks)
    seen = []
    for chunk in chunks:
        [choice] = chunk["choices"]
        seen.append([choice["index"], choice["text"], choice["finish_reason"]])
        if "stop_reason" in choice:
            seen[-1].append(choice["stop_reason"])
    assert seen == case.completion


@given(generations())
def test_chunks_are_of_the_sdks_type(generation: Generation) -> None:
    """But for `finish_reason`, filled in here: null until the end in OpenAI's own API, which the SDK's type forgets."""
    for chunk in chunks_of(generation):
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        Completion.model_validate_json(orjson.dumps(chunk), strict=True)


@given(generations(logprobs=True))
def test_fold_is_the_sum_of_the_chunks(generation: Generation) -> None:
    """Texts, reasons, usage and the four parallel lists of log-probabilities."""
    fold = CompletionFold(replace(PLAN, choices=generation.choices))
    for message in generation.messages:
        fold.feed(message)
    raw = fold.finish().model_dump_json()
    Completion.model_validate_json(raw, strict=True)
    whole = orjson.loads(raw)
    *chunks, last = chunks_of(generation)
    assert last["usage"] == whole["usage"]
    for complete in whole["choices"]:
        own = [c for chunk in chunks for c in chunk["choices"] if c["index"] == complete["index"]]
        assert "".join(c["text"] for c in own) == complete["text"]
        assert own[-1]["finish_reason"] == complete["finish_reason"]
        assert own[-1].get("stop_reason") == complete["stop_reason"]
        pieces = [c["logprobs"] for c in own if c["logprobs"] is not None]
        if complete["logprobs"] is None:
            assert pieces == []
            continue
        for name, values in complete["logprobs"].items():
            assert [value for piece in pieces for value in piece[name]] == values


def test_offsets_count_on_by_choice() -> None:
    """`text_offset` is where a token starts in the text of its own choice."""
    stream = CompletionStream(replace(PLAN, choices=2))

    def offset(choice: int, text: str) -> list[int]:
        [chunk] = stream.feed([Delta(choice, text, 1, (TokenLogprob(1, text, -1.0, ()),))])
        return orjson.loads(chunk)["choices"][0]["logprobs"]["text_offset"]

    assert [offset(0, "ab"), offset(1, "xyz"), offset(0, "c"), offset(1, "")] == [[0], [0], [2], [3]]


def test_usage_waits_for_every_prompt() -> None:
    """Several prompts make one answer: one usage chunk, the sum, after the last of them."""
    stream = CompletionStream(replace(PLAN, choices=2, include_usage=True, prompts=2))
    first = stream.feed([Accepted(1), End(0, "stop", None, Usage(1, 2, 1))])
    last = stream.feed([Accepted(3), End(1, "stop", None, Usage(3, 4, 0))])
    assert [orjson.loads(chunk)["usage"] for chunk in first] == [None]
    [_, usage] = [orjson.loads(chunk)["usage"] for chunk in last]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (4, 6, 10)


def test_completions_have_no_place_for_calls() -> None:
    """A backend that sends calls for a completion is at fault."""
    with pytest.raises(InternalError):
        CompletionStream(PLAN).feed([ParsedDelta(0, "", 1, None, "x", ())])
