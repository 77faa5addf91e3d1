"""A generation as a request of Triton's, and that both ways of travel hand on the same."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from gateway.errors import BadRequest, InternalError, Unavailable
from gateway.generation import Accepted, Delta, End, GenerationRequest, Messages
from gateway.ids import new_id
from gateway.triton.generate import generate, generate_request
from tests.fakes.sinks import KeepingSink
from tests.fakes.triton import CHAT_MODEL, Call, FakeTriton, Message
from tests.gateway.conftest import Pair

IDS = array("i", [5, 6, 7])


def parts(request: Any) -> dict[str, Any]:
    """The tensors of a request by name, the envelope read."""
    tensors = dict(zip((each.name for each in request.inputs), request.raw_input_contents, strict=True))
    return {**tensors, "request": orjson.loads(tensors["request"][4:])}


def test_prompt_travels_as_ids() -> None:
    """With the options as they are, under the id of the request."""
    made = parts(generate_request(GenerationRequest("r", "m", "chat", IDS, {"seed": 7})))
    assert made["request"] == {"v": 1, "op": "generate", "rid": "r", "api": "chat", "body": {"seed": 7}}
    assert np.frombuffer(made["token_ids"], np.int32).tolist() == [5, 6, 7]


def test_adapter_and_session_are_named() -> None:
    """Where there are any."""
    made = parts(generate_request(GenerationRequest("r", "m", "completions", IDS, {}, "poet"), "s"))
    assert (made["request"]["lora"], made["request"]["session"]) == ("poet", "s")


def test_conversation_travels_with_its_images() -> None:
    """Those as bytes beside it, for the backend to render."""
    unrendered = Messages([{"role": "user", "content": "Hi"}], [b"one", b"two!"])
    made = parts(generate_request(GenerationRequest("r", "m", "chat", None, {}, None, unrendered)))
    assert made["request"]["messages"] == unrendered.messages
    assert made["media"] == b"\x03\x00\x00\x00one\x04\x00\x00\x00two!"
    assert "token_ids" not in made


def test_text_travels_in_the_envelope() -> None:
    """For the backend to tokenise."""
    made = parts(generate_request(GenerationRequest("r", "m", "completions", None, {}, None, "Once")))
    assert made["request"]["prompt"] == "Once"
    assert made.keys() == {"request"}


async def generated(pair: Pair, params: dict[str, Any] | None = None) -> KeepingSink:
    """What comes of it, by the way on which the shared Triton has its requests travel."""
    await pair.catalog.refresh()
    sink = KeepingSink()
    request = GenerationRequest(new_id(), CHAT_MODEL, "chat", IDS, params or {})
    await generate(pair.clients[0], request, sink, stall_timeout_s=5)
    assert pair.clients[0].in_flight == 0
    return sink


@pytest.mark.anyio
async def test_outputs_come_as_they_are_made(pair: Pair) -> None:
    """From the acceptance to the end that carries the usage."""
    first, *_, last = outputs = (await generated(pair, {"n": 2})).outputs
    assert first == Accepted(3)
    assert {output.choice for output in outputs if isinstance(output, Delta)} == {0, 1}
    assert isinstance(last, End)
    assert last.usage is not None
    assert last.usage.completion_tokens == 4


def ends_early(call: Call) -> Iterator[Message]:
    yield [call.accepted()]
    yield [call.end(completion_tokens=None)]


def says_other(call: Call) -> Iterator[Message]:
    yield [call.accepted()]
    yield [call.delta("x", choice=1)]
    call.cancelled.wait(5)


def refuses(call: Call) -> Iterator[Message]:
    yield [call.accepted(), call.error("bad_request", "too long")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "kind"), [(ends_early, Unavailable), (says_other, InternalError), (refuses, BadRequest)]
)
async def test_broken_answer_is_an_error(pair: Pair, triton: FakeTriton, script: Any, kind: type[Exception]) -> None:
    """One that ends without its usage, one that tells of a choice that was not asked for, and a refusal."""
    triton.script = script
    with pytest.raises(kind):
        await generated(pair)
    assert pair.clients[0].in_flight == 0
