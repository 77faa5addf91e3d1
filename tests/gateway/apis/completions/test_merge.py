"""Several generations as one."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apis.completions.merge import ShiftedSink, merged
from gateway.errors import Overloaded
from gateway.generation import Accepted, Delta, DroppingSink, End, OutputSink, Usage
from tests.cases import Generation, generations
from tests.fakes.sinks import FunctionSink, KeepingSink

pytestmark = pytest.mark.anyio

USAGE = Usage(1, 1, 0)


class Sources:
    """Makes generations and counts those that run."""

    def __init__(self) -> None:
        self.running = 0

    async def answer(self, text: str, n: int, error: Exception | None, silent: bool, sink: OutputSink) -> None:
        self.running += 1
        try:
            sink.take([Accepted(1)])
            for choice in range(n):
                await asyncio.sleep(0)
                sink.take([Delta(choice, text, 1, None)])
            if error:
                raise error
            if silent:
                await asyncio.Event().wait()
            sink.take([End(choice, "stop", None, USAGE if choice == n - 1 else None) for choice in range(n)])
        finally:
            self.running -= 1


async def test_choices_count_on() -> None:
    """Choice i of prompt k is k * n + i."""
    sources = Sources()
    sink = KeepingSink()
    await merged([partial(sources.answer, text, 2, None, False) for text in "abc"], 2, sink)
    texts = {output.choice: output.text for output in sink.outputs if isinstance(output, Delta)}
    assert texts == dict(enumerate("aabbcc"))
    assert sorted(output.choice for output in sink.outputs if isinstance(output, End)) == [0, 1, 2, 3, 4, 5]
    assert sources.running == 0


async def test_first_error_ends_all() -> None:
    """It is raised as it is, and the others are ended."""
    sources = Sources()
    error = Overloaded("full")
    silent = partial(sources.answer, "a", 1, None, True)
    with pytest.raises(Overloaded) as caught:
        await merged([silent, partial(sources.answer, "b", 1, error, False)], 1, DroppingSink())
    assert caught.value is error
    assert sources.running == 0


async def test_leaving_ends_all() -> None:
    """Whatever they are doing."""
    sources = Sources()
    silent = [partial(sources.answer, "a", 1, None, True) for _ in range(5)]
    task = asyncio.create_task(merged(silent, 1, DroppingSink()))
    await asyncio.sleep(0.01)
    assert sources.running == 5
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sources.running == 0


async def test_backpressure_reaches_every_source() -> None:
    """What the taker answers is what each source is answered."""
    full: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answers: list[object] = []

    async def source(sink: OutputSink) -> None:
        answers.append(sink.take([Delta(0, "x", 1, None)]))

    await merged([source, source], 1, FunctionSink(lambda _: full))
    assert answers == [full, full]


@given(generations(), st.integers(0, 5))
def test_text_alone_is_as_good_as_a_delta(generation: Generation, by: int) -> None:
    """`take_text` hands on what `take` of the `Delta` hands on that it stands for."""
    by_text, by_output = KeepingSink(), KeepingSink()
    plain, whole = ShiftedSink(by_text, by), ShiftedSink(by_output, by)
    for output in [output for message in generation.messages for output in message]:
        whole.take([output])
        if isinstance(output, Delta):
            plain.take_text(output.choice, output.text, output.token_count)
        else:
            plain.take([output])
    assert by_text.outputs == by_output.outputs
    assert all(isinstance(output, Accepted) or output.choice >= by for output in by_text.outputs)
