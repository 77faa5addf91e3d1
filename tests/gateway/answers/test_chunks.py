"""Outputs to chunks, in an API so small that nothing but this is in the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.chunks import ChunkedSink, ChunkStream
from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.stream import ChatStream
from gateway.errors import InternalError
from gateway.generation import (
    Accepted,
    Backpressure,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    PromptLogprobs,
    TokenLogprob,
    Usage,
)
from tests.cases import CRUEL, Generation, generations

PLAN = AnswerPlan("toy-1", 1700000000, 'a "model"')
TOKEN = TokenLogprob(5, "a", -0.5, ())
END = End(0, "stop", None, Usage(3, 2, 1))


class ToyStream(ChunkStream):
    """The smallest API: an opening, and a text."""

    object_name = "toy"
    opening = b',"say":'
    text_start = b""
    text_end = b""
    empty = b'""'

    def _opened(self) -> list[bytes]:
        return [b'{"opened":true' + self._end]

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        return orjson.dumps([token.logprob for token in tokens])


class KeptChunks:
    """A `ChunkSink` that keeps what is written."""

    def __init__(self, blocked: Backpressure = None) -> None:
        self.chunks: list[bytes] = []
        self.writes = 0
        self._blocked = blocked

    def begin_within(self, seconds: float) -> None:
        raise AssertionError("nobody here begins an answer by the clock")

    def write(self, chunks: list[bytes]) -> Backpressure:
        self.chunks += chunks
        self.writes += 1
        return self._blocked

    def write_one(self, chunk: bytes) -> Backpressure:
        return self.write([chunk])


def all_fed(plan: AnswerPlan, *outputs: GenerationOutput) -> list[dict[str, Any]]:
    return [orjson.loads(chunk) for chunk in ToyStream(plan).feed(outputs)]


def fed(plan: AnswerPlan, *outputs: GenerationOutput) -> list[dict[str, Any]]:
    """The chunks behind the opening."""
    return [chunk for chunk in all_fed(plan, *outputs) if "opened" not in chunk]


def test_chunks_have_the_answers_members() -> None:
    """Who answers and what is in every chunk; the opening comes with the first token, the reason with the end."""
    opened, text, end = all_fed(PLAN, Accepted(3), Delta(0, CRUEL, 1, None), END)
    members = {"id": "toy-1", "object": "toy", "created": 1700000000, "model": 'a "model"'}
    assert opened == {"opened": True}
    assert text == {
        **members,
        "choices": [{"index": 0, "say": CRUEL, "logprobs": None, "finish_reason": None}],
    }
    assert end == {**members, "choices": [{"index": 0, "say": "", "logprobs": None, "finish_reason": "stop"}]}


@pytest.mark.parametrize("first", [Delta(0, "", 1, None), ParsedDelta(0, "", 1, None, "", ()), END])
def test_answer_opens_with_the_first_token(first: Delta | ParsedDelta | End) -> None:
    """Not with the acceptance, though with a token that completes no character, and with an end without tokens."""
    stream = ChatStream(PLAN)
    assert stream.feed([Accepted(3), PromptLogprobs(0, (None, TOKEN))]) == []
    assert stream.around_text is None
    assert b'"role":"assistant"' in stream.feed([first])[0]
    assert stream.around_text is not None
    assert b'"role"' not in b"".join(stream.feed([first]))


def test_token_without_text_makes_no_chunk() -> None:
    """It completes no character; with log-probabilities or ids there is something to tell of it."""
    assert fed(PLAN, Delta(0, "", 1, None)) == []
    [with_logprobs] = fed(PLAN, Delta(0, "", 1, (TOKEN,)))
    assert with_logprobs["choices"][0]["logprobs"] == [-0.5]
    [with_ids] = fed(PLAN, Delta(0, "", 1, None, (7,)))
    assert with_ids["choices"][0]["token_ids"] == [7]


def test_stop_reason_is_told_if_there_is_one() -> None:
    """vLLM's: the string or the token that was met."""
    [by_text] = fed(PLAN, End(0, "stop", "x", None))
    [by_token] = fed(PLAN, End(0, "stop", 5, None))
    assert [chunk["choices"][0]["stop_reason"] for chunk in (by_text, by_token)] == ["x", 5]


def test_prompt_logprobs_make_no_chunk() -> None:
    """A stream tells them as part of the echo, if at all."""
    assert fed(PLAN, PromptLogprobs(0, (None, TOKEN))) == []


def test_usage_follows_the_last_prompt() -> None:
    """Once, with the sum; until then every chunk has the member, and it is null."""
    plan = replace(PLAN, choices=2, prompts=2, include_usage=True)
    stream = ToyStream(plan)
    first = [orjson.loads(chunk) for chunk in stream.feed([Accepted(3), END])]
    assert not stream.is_complete
    rest = [orjson.loads(chunk) for chunk in stream.feed([End(1, "stop", None, Usage(4, 5, 0))])]
    assert stream.is_complete
    assert [chunk["usage"] for chunk in first] == [None, None]
    assert rest[-1]["choices"] == []
    assert rest[-1]["usage"]["total_tokens"] == 14


def test_usage_on_the_way_is_in_every_chunk() -> None:
    """In place of null; the last has its own, with the details."""
    plan = replace(PLAN, include_usage=True, continuous_usage=True)
    end = End(0, "stop", None, Usage(3, 3, 1))
    chunks = all_fed(plan, Accepted(3), Delta(0, "a", 1, None), Delta(0, "", 1, None), Delta(0, "b", 1, None), end)
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [0, 1, 3, 3, 3]
    assert "prompt_tokens_details" in chunks[-1]["usage"]


def test_calls_without_a_place_are_our_fault() -> None:
    """An API that has no tool calls can't be sent any."""
    with pytest.raises(InternalError):
        fed(PLAN, ParsedDelta(0, "", 1, None, "hm", ()))


def test_last_chunks_stay_for_the_end() -> None:
    """They leave in one write with the end of the body; the text before them has left."""
    kept = KeptChunks()
    sink = ChunkedSink(ToyStream(replace(PLAN, include_usage=True)), kept)
    sink.take([Accepted(3)])
    sink.take_text(0, "a", 1)
    assert (len(kept.chunks), kept.writes, sink.last) == (2, 2, [])
    assert sink.take([Delta(0, "b", 1, None), END]) is None
    assert (kept.writes, len(sink.last)) == (2, 3)


@pytest.mark.anyio
async def test_backpressure_is_handed_back() -> None:
    """What the writer says of its client is said to who generates."""
    full: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sink = ChunkedSink(ToyStream(PLAN), KeptChunks(full))
    assert sink.take([Accepted(3)]) is sink.take_text(0, "a", 1) is full


PLANS = st.sampled_from(
    [
        PLAN,
        replace(PLAN, include_usage=True),
        replace(PLAN, include_usage=True, continuous_usage=True),
        replace(PLAN, echoed=[EchoedPrompt("Hi ")]),
    ]
)


@given(generations(), PLANS)
def test_text_alone_is_as_good_as_a_delta(generation: Generation, plan: AnswerPlan) -> None:
    """`take_text` writes what `take` of the `Delta` writes that it stands for, whatever the plan."""
    plan = replace(plan, choices=generation.choices)
    by_text, by_output = KeptChunks(), KeptChunks()
    plain, whole = ChunkedSink(ToyStream(plan), by_text), ChunkedSink(ToyStream(plan), by_output)
    for output in [output for message in generation.messages for output in message]:
        whole.take([output])
        if isinstance(output, Delta):
            plain.take_text(output.choice, output.text, output.token_count)
        else:
            plain.take([output])
    assert by_text.chunks == by_output.chunks
    assert plain.last == whole.last
