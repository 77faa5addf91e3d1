"""What happens to a request, once: the metrics and the line in the log follow from its record."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Generator, Iterator
from typing import NamedTuple

import grpc
import httpx
import orjson
import pytest
from prometheus_client import REGISTRY

from gateway import request_record
from gateway.request_record import RequestRecord
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import WAIT_S, Gate, chat, eventually
from tests.fakes.triton import CHAT_MODEL, Abort, Call, FakeTriton, Message

PATH = "/v1/chat/completions"
PROMPT_TOKENS = 20  # what the template of the toy model makes of "Hi", a token a byte


class Line(NamedTuple):
    """A line of the log, and the record of the request that it is about."""

    text: str
    record: RequestRecord


class KeptLines(logging.Handler):
    """The lines of requests, as they are written: in the context of their request."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(Line(record.getMessage(), request_record.current()))

    def of(self, id_: str) -> Line:
        """The line of that request, as soon as it is there."""
        eventually(lambda: any(line.record.id == id_ for line in self.lines))
        [line] = [line for line in self.lines if line.record.id == id_]
        return line


@pytest.fixture
def kept() -> Iterator[KeptLines]:
    handler, log = KeptLines(), logging.getLogger(request_record.__name__)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


def sample(name: str, **labels: str) -> float:
    """A value of this process, in which the gateway of the test runs too."""
    return REGISTRY.get_sample_value(f"triton_gateway_{name}", labels) or 0.0


@pytest.fixture(scope="module")
def _two() -> Generator[tuple[FakeTriton, FakeTriton, RunningGateway], None, None]:
    with FakeTriton() as first, FakeTriton() as second:
        addresses = (first.address, second.address)
        with running_gateway(triton_urls=addresses, **PROBED_ONCE) as gateway:
            gateway.wait_ready()
            eventually(lambda: bool(first.described and second.described))
            yield first, second, gateway


@pytest.fixture
def two(
    _two: tuple[FakeTriton, FakeTriton, RunningGateway],
) -> Iterator[tuple[FakeTriton, FakeTriton, RunningGateway]]:
    """A gateway before two Tritons, which are friendly at the start of each test."""
    yield _two
    for triton in _two[:2]:
        triton.reset()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_one_request_leaves_one_record(kept: KeptLines, client: httpx.Client, stream: bool) -> None:
    """Its events in their order and its tokens, from which the metrics and the line are made."""
    names = {"prompt_tokens_total": PROMPT_TOKENS, "completion_tokens_total": 2, "time_to_first_token_seconds_count": 1}
    before = {name: sample(name, model=CHAT_MODEL) for name in names}
    status = {"route": PATH, "method": "POST", "status": "200"}
    requests, seconds = sample("requests_total", **status), sample("request_seconds_count", route=PATH)
    response = client.post(PATH, json=chat(stream=stream), headers={"x-request-id": f"whole-{stream}"})
    assert response.status_code == 200
    text, record = kept.of(f"whole-{stream}")
    assert record.admitted_at is not None
    assert record.accepted_at is not None
    assert record.first_token_at is not None
    assert record.arrived_at <= record.admitted_at <= record.accepted_at <= record.first_token_at
    assert (record.prompt_tokens, record.completion_tokens, record.retries, record.why) == (PROMPT_TOKENS, 2, 0, None)
    assert re.fullmatch(rf"POST {PATH} 200 \d+\.\d ms for anybody", text)
    assert {name: sample(name, model=CHAT_MODEL) - value for name, value in before.items()} == names
    assert sample("requests_total", **status) == requests + 1
    assert sample("request_seconds_count", route=PATH) == seconds + 1


def test_retry_is_noted(kept: KeptLines, two: tuple[FakeTriton, FakeTriton, RunningGateway]) -> None:
    """The answer is whole, and the record says that a second Triton was needed."""
    first, second, gateway = two

    tries: list[Call] = []

    def lost_once(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        tries.append(call)
        if len(tries) == 1:
            raise Abort(grpc.StatusCode.UNAVAILABLE)
        yield [call.delta("Hello")]
        yield [call.end()]

    first.script = second.script = lost_once
    before = sample("retries_total", model=CHAT_MODEL)
    with gateway.client() as client:
        assert client.post(PATH, json=chat(), headers={"x-request-id": "again"}).status_code == 200
    text, record = kept.of("again")
    assert (record.retries, record.why) == (1, None)
    assert sample("retries_total", model=CHAT_MODEL) == before + 1
    assert text.startswith(f"POST {PATH} 200 ")


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (chat(model="nobody"), 404, "model_not_found"),
        (chat(n=0), 400, "integer_below_min_value"),
        ({"model": "nobody"}, 400, "missing_required_parameter"),
    ],
)
def test_line_says_why(kept: KeptLines, client: httpx.Client, body: dict[str, object], status: int, why: str) -> None:
    """The error's code, behind the status; what was not begun has no tokens and no times."""
    client.post(PATH, json=body, headers={"x-request-id": why})
    text, record = kept.of(why)
    assert re.fullmatch(rf"POST {PATH} {status} \d+\.\d ms for anybody \({why}\)", text)
    assert (record.why, record.prompt_tokens, record.admitted_at, record.first_token_at) == (why, 0, None, None)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_broken_answer_says_why(kept: KeptLines, triton: FakeTriton, client: httpx.Client, stream: bool) -> None:
    """After the headers too, when the status can't say it any more; an error without a code goes by its type."""
    triton.script = lambda call: iter([[call.accepted(), call.delta("Hello")], [call.error("internal")]])
    client.post(PATH, json=chat(stream=stream), headers={"x-request-id": f"broken-{stream}"})
    text, record = kept.of(f"broken-{stream}")
    assert record.why == "server_error"
    assert re.fullmatch(rf"POST {PATH} {200 if stream else 500} \d+\.\d ms for anybody \(server_error\)", text)


def test_client_that_leaves_is_noted(kept: KeptLines, triton: FakeTriton, gateway: RunningGateway) -> None:
    """As the reason, and counted by route."""
    before = sample("disconnects_total", route=PATH)
    address, content = httpx.URL(gateway.url), orjson.dumps(chat())
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-request-id: left\r\ncontent-length: {len(content)}\r\n\r\n"
    with Gate(1) as gate:
        triton.script = gate
        with socket.create_connection((address.host, address.port or 80), timeout=WAIT_S) as connection:
            connection.sendall(head.encode() + content)
            call = triton.next_call()
        assert call.cancelled.wait(WAIT_S)
        text, record = kept.of("left")
    assert record.why == "client_left"
    assert re.fullmatch(rf"POST {PATH} 499 \d+\.\d ms for anybody \(client_left\)", text)
    assert sample("disconnects_total", route=PATH) == before + 1


def test_events_count_once() -> None:
    """A second attempt does not make a request younger; its tokens add up."""
    record = RequestRecord("r")
    for event in (record.admitted, record.accepted):
        event()
    record.first_token(CHAT_MODEL, 0.5)
    before = (record.admitted_at, record.accepted_at, record.first_token_at)
    for event in (record.admitted, record.accepted):
        event()
    record.first_token(CHAT_MODEL, 0.5)
    assert (record.admitted_at, record.accepted_at, record.first_token_at) == before
    record.used(CHAT_MODEL, prompt_tokens=3)
    record.used(CHAT_MODEL, prompt_tokens=4, completion_tokens=5)
    assert (record.prompt_tokens, record.completion_tokens) == (7, 5)
    assert record.age_s >= 0


@pytest.mark.anyio
async def test_record_belongs_to_its_task() -> None:
    """Tasks that it starts work for the same request; outside of requests each note goes nowhere."""

    async def current() -> RequestRecord:
        return request_record.current()

    async def serve(id_: str) -> RequestRecord:
        record = request_record.begin(id_)
        assert request_record.current() is record
        assert await asyncio.create_task(current()) is record
        return record

    first, second = await asyncio.gather(asyncio.create_task(serve("first")), asyncio.create_task(serve("second")))
    assert (first.id, second.id) == ("first", "second")
    assert request_record.current().id == "-"
    assert request_record.current() is not request_record.current()
