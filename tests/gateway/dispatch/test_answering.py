"""A generation as an answer, under one permit."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.answers.plan import AnswerPlan
from gateway.apis.completions.stream import CompletionFold, CompletionStream
from gateway.dispatch.answering import Answers
from gateway.errors import Overloaded, Unavailable
from gateway.generation import Accepted, Backpressure, Delta, End, OutputSink, Usage
from gateway.limits.admission import Admission, Permit

pytestmark = pytest.mark.anyio

PLAN = AnswerPlan("cmpl-1", 1700000000, "m", include_usage=True)


class Generation:
    """An answer of one word, which may break; it notes what is out while it works."""

    def __init__(self, admission: Admission, error: Exception | None = None) -> None:
        self.in_flight = 0
        self._admission = admission
        self._error = error

    async def __call__(self, permit: Permit, sink: OutputSink) -> None:
        self.in_flight = self._admission.in_flight
        sink.take([Accepted(3)])
        sink.take_text(0, "Hello", 1)
        if self._error is not None:
            raise self._error
        sink.take([Delta(0, "!", 1, None), End(0, "stop", None, Usage(3, 2, 0))])


class KeptChunks:
    """What was written, and when it had to begin at the latest."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.begins_within: float | None = None

    def begin_within(self, seconds: float) -> None:
        self.begins_within = seconds

    def write(self, chunks: list[bytes]) -> Backpressure:
        self.chunks += chunks
        return None

    def write_one(self, chunk: bytes) -> Backpressure:
        return self.write([chunk])


@pytest.fixture
def admission() -> Admission:
    return Admission(limit=2, queue=0, max_wait_s=1)


@pytest.fixture
def answers(admission: Admission) -> Answers:
    return Answers(admission, accept_timeout_s=4.5)


def texts(chunks: list[bytes]) -> list[Any]:
    return [[choice["text"] for choice in orjson.loads(chunk)["choices"]] for chunk in chunks]


async def test_stream_keeps_its_last_chunks(admission: Admission, answers: Answers) -> None:
    """Those leave with the end; one permit was out, and the beginning waited for no longer than was set."""
    generation, kept = Generation(admission), KeptChunks()
    last = await answers.stream(generation, CompletionStream(PLAN), kept)
    assert (texts(kept.chunks), texts(last)) == ([["Hello"]], [["!"], [""], []])
    assert kept.begins_within == 4.5
    assert (generation.in_flight, admission.in_flight) == (1, 0)


async def test_whole_answer_is_the_fold(admission: Admission, answers: Answers) -> None:
    """Of the same outputs, under one permit too."""
    generation, fold = Generation(admission), CompletionFold(PLAN)
    await answers.fold(generation, fold)
    assert fold.finish().choices[0].text == "Hello!"
    assert (generation.in_flight, admission.in_flight) == (1, 0)


async def test_error_gives_the_permit_back(admission: Admission, answers: Answers) -> None:
    """And is raised as it is."""
    broken = Generation(admission, Unavailable("away"))
    with pytest.raises(Unavailable):
        await answers.stream(broken, CompletionStream(PLAN), KeptChunks())
    with pytest.raises(Unavailable):
        await answers.fold(broken, CompletionFold(PLAN))
    assert admission.in_flight == 0


async def test_without_a_permit_nothing_begins(admission: Admission, answers: Answers) -> None:
    """Not even the clock of the stream's beginning: the refusal is a status."""
    generation, kept = Generation(admission), KeptChunks()
    with await admission.acquire(2), pytest.raises(Overloaded):
        await answers.stream(generation, CompletionStream(PLAN), kept)
    assert (generation.in_flight, kept.begins_within, kept.chunks) == (0, None, [])
