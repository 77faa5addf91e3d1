"""Two dialects in one gateway: an API of another house is answered in its own, by the same middleware and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Literal

import httpx
import orjson
import pytest
from fastapi import Request, Response
from starlette.datastructures import Headers

from gateway.answers.chunks import ChunkSink
from gateway.apis import APIS
from gateway.errors import GatewayError, Overloaded, Unauthorized
from gateway.limits.quota import LimitState
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.dialect import Dialect
from gateway.web.json_answer import json_answer
from gateway.web.openai_dialect import OPENAI
from gateway.web.sse import EventStream
from gateway.wire.common import RequestBody, Wire
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat, events
from tests.fakes.triton import FakeTriton

PATH = "/toy/say"
KEYS = [
    {"name": "all", "key": "sk-all"},
    {"name": "once", "key": "sk-once", "requests_per_minute": 1},
    {"name": "both", "key": "sk-both", "requests_per_minute": 1},
]


def _key_of(headers: Headers) -> str:
    if not (key := headers.get("x-toy-key", "")):
        raise Unauthorized("No key.")
    return key


def _error_body(error: GatewayError) -> bytes:
    return orjson.dumps({"toy": "error", "status": error.status, "text": error.message, "where": error.param})


def _limit_headers(limits: Sequence[LimitState]) -> dict[str, str]:
    return {f"toy-{limit.what}-left": str(limit.remaining) for limit in limits}


TOY = Dialect(
    key_of=_key_of,
    challenge={"www-authenticate": "Toy"},
    error_body=_error_body,
    limit_headers=_limit_headers,
    event=lambda chunk: b"event: piece\ndata: " + chunk + b"\n\n",
    error_event=lambda error: b"event: broken\ndata: " + _error_body(error) + b"\n\n",
    end=b"event: over\ndata: {}\n\n",
    ping=b"event: ping\ndata: {}\n\n",
)


class SayRequest(RequestBody):
    """What the toy is to say, and what is to go wrong."""

    words: list[str]
    stream: bool = False
    fails: Literal["early", "late", "unexpectedly"] | None = None


class Said(Wire):
    words: list[str]


router = json_router("/toy")


@router.post("/say", response_model=None, responses=documented.answer(Said))
async def say(request: SayRequest, http_request: Request, core: CoreOf) -> Response:
    """Say the words, one by one or together."""
    if request.stream:
        return EventStream(partial(_pieces, request), ping_interval_s=core.settings.ping_interval_s)
    return await json_answer(http_request, _whole(request))


async def _whole(request: SayRequest) -> Said:
    if request.fails == "unexpectedly":
        raise RuntimeError("internal detail")
    if request.fails:
        raise Overloaded("The toy is full.", param="words", retry_after_s=2)
    return Said(words=request.words)


async def _pieces(request: SayRequest, sink: ChunkSink) -> list[bytes]:
    if request.fails == "early":
        raise Overloaded("The toy is full.", param="words", retry_after_s=2)
    *words, last = [orjson.dumps({"word": word}) for word in request.words]
    for word in words:
        sink.write_one(word)
        await asyncio.sleep(0.05)  # longer than a ping is waited for
    if request.fails == "late":
        raise Overloaded("The toy is full.")
    return [last]


@pytest.fixture(scope="module")
def mixed() -> Generator[RunningGateway, None, None]:
    """OpenAI's APIs and the toy's, in one application."""
    with pytest.MonkeyPatch.context() as patch, FakeTriton() as triton:
        patch.setattr("gateway.app.APIS", (*APIS, Api(router, dialect=TOY)))
        settings = {"keys": KEYS, "ping_interval_s": 0.02, "max_body_bytes": 2048, **PROBED_ONCE}
        with running_gateway(triton_urls=(triton.address,), **settings) as gateway:
            gateway.wait_ready()
            yield gateway


def ask(gateway: RunningGateway, key: str = "sk-all", **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}{PATH}", json={"words": ["a", "b"], **body}, headers={"x-toy-key": key})


def frames(response: httpx.Response) -> list[str]:
    """The events of a stream, but for the pings."""
    assert response.status_code == 200
    return [frame for frame in response.text.split("\n\n")[:-1] if not frame.startswith("event: ping")]


def test_key_is_where_the_dialect_has_it(mixed: RunningGateway) -> None:
    """And nowhere else; who has none is told in the dialect too."""
    assert ask(mixed).json() == {"words": ["a", "b"]}
    bearer = {"authorization": "Bearer sk-all"}
    for headers in ({}, bearer, {"x-toy-key": "wrong"}):
        refused = httpx.post(f"{mixed.url}{PATH}", json={"words": []}, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Toy")
        assert (refused.json()["toy"], refused.json()["status"]) == ("error", 401)


@pytest.mark.parametrize(
    ("request_", "status", "where"),
    [
        ({"json": {}}, 400, "words"),
        ({"content": b"{"}, 400, None),
        ({"json": {"words": ["x" * 3000]}}, 413, None),
        ({"content": b"a", "headers": {"content-type": "text/plain"}}, 415, None),
        ({"json": {"words": [], "fails": "early"}}, 429, "words"),
        ({"json": {"words": [], "stream": True, "fails": "early"}}, 429, "words"),
        ({"json": {"words": [], "fails": "unexpectedly"}}, 500, None),
        ({"method": "PUT", "json": {}}, 405, None),
    ],
    ids=["field", "no json", "large", "kind", "refusal", "refusal of a stream", "fault", "method"],
)
def test_every_error_is_in_the_dialect(
    mixed: RunningGateway, request_: dict[str, Any], status: int, where: str | None
) -> None:
    """Wherever it comes from: the router, a middleware, the body or the endpoint."""
    headers = {"x-toy-key": "sk-all", **request_.get("headers", {})}
    asked = {"method": "POST", **request_, "headers": headers}
    refused = httpx.request(url=f"{mixed.url}{PATH}", **asked)
    body = refused.json()
    assert (refused.status_code, body["toy"], body["status"], body["where"]) == (status, "error", status, where)
    assert "internal detail" not in refused.text
    assert refused.headers["x-request-id"]
    assert ("retry-after" in refused.headers) is (status == 429)


def test_limits_are_told_in_the_dialect(mixed: RunningGateway) -> None:
    """By its own headers, and the refusal by its own body."""
    first, second = ask(mixed, "sk-once"), ask(mixed, "sk-once")
    assert (first.status_code, second.status_code, second.json()["toy"]) == (200, 429, "error")
    for response in (first, second):
        assert response.headers["toy-requests-left"] == "0"
        assert not any(name.startswith("x-ratelimit") for name in response.headers)


def test_stream_is_framed_in_the_dialect(mixed: RunningGateway) -> None:
    """Named events, an end of its own, and its own ping where nothing is said for a while."""
    response = ask(mixed, stream=True)
    assert frames(response) == [
        'event: piece\ndata: {"word":"a"}',
        'event: piece\ndata: {"word":"b"}',
        "event: over\ndata: {}",
    ]
    assert "event: ping\ndata: {}\n\n" in response.text
    assert "[DONE]" not in response.text


def test_broken_stream_ends_in_the_dialect(mixed: RunningGateway) -> None:
    """With one event that says so, and without the end of a complete one."""
    *said, last = frames(ask(mixed, stream=True, fails="late"))
    assert said == ['event: piece\ndata: {"word":"a"}']
    name, _, data = last.partition("\ndata: ")
    assert name == "event: broken"
    assert orjson.loads(data) == {"toy": "error", "status": 429, "text": "The toy is full.", "where": None}


def test_openais_apis_stay_as_they_are(mixed: RunningGateway) -> None:
    """Beside it, and for every path that nobody has."""
    bearer = {"authorization": "Bearer sk-all"}
    with mixed.client(headers=bearer) as client:
        assert events(client.post("/v1/chat/completions", json=chat(stream=True)).text)[-1] == "[DONE]"
        assert client.post("/v1/chat/completions", json={}).json()["error"]["param"] == "model"
        assert "Invalid URL" in client.post("/toy/shout", json={}).json()["error"]["message"]
        limited = client.post("/v1/chat/completions", json=chat(), headers={"authorization": "Bearer sk-both"})
    assert limited.headers["x-ratelimit-remaining-requests"] == "0"
    assert "toy-requests-left" not in limited.headers
    refused = httpx.post(f"{mixed.url}/v1/chat/completions", json=chat(), headers={"x-toy-key": "sk-all"})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, OPENAI.challenge["www-authenticate"])
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_limit_of_a_key_is_one_for_both(mixed: RunningGateway) -> None:
    """Who has used it up by the one is refused by the other."""
    headers = {"authorization": "Bearer sk-both", "x-toy-key": "sk-both"}
    httpx.post(f"{mixed.url}/v1/chat/completions", json=chat(), headers=headers)
    refused = httpx.post(f"{mixed.url}{PATH}", json={"words": []}, headers=headers)
    assert (refused.status_code, refused.json()["toy"]) == (429, "error")
