"""Generations on the Triton that suits, and once elsewhere."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.generation import CountedSink, Dispatcher
from gateway.errors import Overloaded, Unavailable
from gateway.generation import Accepted, Delta, GenerationOutput, GenerationRequest
from gateway.ids import new_id
from gateway.limits import callers
from gateway.limits.admission import Admission
from gateway.limits.callers import Caller
from gateway.limits.quota import Bucket, Reservation
from gateway.models.health import Beacon
from gateway.request_record import RequestRecord
from tests.cases import Generation, generations
from tests.fakes.sinks import FunctionSink, KeepingSink
from tests.fakes.triton import CHAT_MODEL, Abort, Call, Message
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


def lost(after: int) -> Any:
    """A Triton that dies after so many messages."""

    def script(call: Call) -> Iterator[Message]:
        yield from ([[call.accepted()], [call.delta("Hello")]])[:after]
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    return script


async def run(pair: Pair) -> list[GenerationOutput]:
    """All outputs; the first Triton is asked first."""
    await pair.catalog.refresh()
    request = GenerationRequest(new_id(), CHAT_MODEL, "chat", array("i", [5]), {})
    dispatcher = Dispatcher(pair.catalog, pair.health, stall_timeout_s=5)
    seen: list[GenerationOutput] = []

    def take(outputs: list[GenerationOutput]) -> None:
        assert outputs
        seen.extend(outputs)

    pair.clients[1].in_flight += 1
    try:
        with await Admission(limit=1, queue=0, max_wait_s=1).acquire() as permit:
            await dispatcher.generate(request, permit, FunctionSink(take))
    finally:
        pair.clients[1].in_flight -= 1
    return seen


@pytest.mark.parametrize("after", [0, 1], ids=["before acceptance", "after acceptance"])
async def test_lost_before_content_is_tried_elsewhere(pair: Pair, after: int) -> None:
    """The client sees one `Accepted` and the whole answer; the second try has an id of its own."""
    pair.tritons[0].script = lost(after)
    outputs = await run(pair)
    assert [type(output) for output in outputs].count(Accepted) == 1
    assert "".join(output.text for output in outputs if isinstance(output, Delta)) == "Hello world."
    [first], [second] = pair.tritons[0].calls, pair.tritons[1].calls
    assert first.rid != second.rid
    assert first.body == second.body


async def test_lost_after_content_stands(pair: Pair) -> None:
    """What was said can't be taken back."""
    pair.tritons[0].script = lost(2)
    with pytest.raises(Unavailable):
        await run(pair)
    assert pair.tritons[1].calls == []


async def test_tried_once_and_no_more(pair: Pair) -> None:
    """Both lost: the error stands, and nobody is asked twice."""
    for triton in pair.tritons:
        triton.script = lost(1)
    with pytest.raises(Unavailable):
        await run(pair)
    assert [len(triton.calls) for triton in pair.tritons] == [1, 1]
    assert [client.in_flight for client in pair.clients] == [0, 0]


async def test_refusal_is_not_tried_elsewhere(pair: Pair) -> None:
    """An overloaded engine speaks for its model: two tries would be twice the load."""
    pair.tritons[0].script = lambda call: iter([[call.error("overloaded")]])
    with pytest.raises(Overloaded):
        await run(pair)
    assert pair.tritons[1].calls == []


async def test_tokens_prove_health(pair: Pair) -> None:
    """An answer is a success; acceptance alone is none."""
    pair.tritons[0].script = pair.tritons[1].script = lost(1)
    with pytest.raises(Unavailable):
        await run(pair)
    assert not any(model.ready for model in pair.health.report() if model.model == CHAT_MODEL)
    for triton in pair.tritons:
        triton.reset()
    await run(pair)
    assert any(model.ready for model in pair.health.report() if model.model == CHAT_MODEL)


async def test_each_caller_may_have_its_own_cache(pair: Pair) -> None:
    """With `separate_caches` the engine is told whose prompt it is, beside the options that the request has."""
    await pair.catalog.refresh()
    request = GenerationRequest(new_id(), CHAT_MODEL, "chat", array("i", [5]), {"seed": 7})
    callers.caller.set(Caller("ann"))
    for separate, expected in ((False, {"seed": 7}), (True, {"seed": 7, "cache_salt": "ann"})):
        dispatcher = Dispatcher(pair.catalog, pair.health, stall_timeout_s=5, separate_caches=separate)
        with await Admission(limit=1, queue=0, max_wait_s=1).acquire() as permit:
            await dispatcher.generate(request, permit, KeepingSink())
        [call] = [call for triton in pair.tritons for call in triton.calls]
        assert call.body == expected
        for triton in pair.tritons:
            triton.reset()


class Counted:
    """A `CountedSink` with all that it notes things in."""

    def __init__(self) -> None:
        self.record = RequestRecord("r")
        self.beacon = Beacon(Path("nowhere"))
        self.reservation = Reservation(Bucket(1000, clock=lambda: 0), 100)
        self.kept = KeepingSink()
        self.sink = CountedSink(self.kept, "a model of this test", self.record, self.beacon, self.reservation)
        self.sink.begin()

    @property
    def noted(self) -> list[object]:
        """Everything that may depend on what came, but for the times themselves."""
        record = self.record
        came = [record.accepted_at is not None, record.first_token_at is not None, self.beacon.last > 0]
        tokens = [record.prompt_tokens, record.completion_tokens, self.reservation.used]
        return [self.kept.outputs, self.sink.has_content, *came, *tokens]


@given(generations(), st.booleans())
def test_text_alone_is_as_good_as_a_delta(generation: Generation, begins_again: bool) -> None:
    """`take_text` notes and hands on what `take` of the `Delta` does that it stands for, in a second attempt too."""
    by_text, by_output = Counted(), Counted()
    outputs = [output for message in generation.messages for output in message]
    if begins_again:  # the first attempt was lost before its content
        outputs = [outputs[0], *outputs]
    for output in outputs:
        by_output.sink.take([output])
        if isinstance(output, Delta):
            by_text.sink.take_text(output.choice, output.text, output.token_count)
        else:
            by_text.sink.take([output])
        assert by_text.noted == by_output.noted
    assert [type(output) for output in by_text.kept.outputs].count(Accepted) == 1


def test_acceptance_is_no_content() -> None:
    """Until a token has come the request can be tried elsewhere; a token without text is one."""
    counted = Counted()
    counted.sink.take([Accepted(3)])
    assert not counted.sink.has_content
    assert counted.beacon.last == 0
    counted.sink.take_text(0, "", 1)
    assert counted.sink.has_content
    assert counted.reservation.used == 4
