"""OpenAI's endpoints over the real socket, by the official SDK and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import RunningGateway
from tests.fakes.openai import chat, events, streaming
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, Call, FakeTriton, Message

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.mark.anyio
async def test_async_sdk_reads_the_same(gateway: RunningGateway) -> None:
    """Both ways of asking, and the list of models."""
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="any", max_retries=0, _strict_response_validation=True
    ) as client:
        whole = await client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
        stream = await client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, stream=True)
        streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(streamed) == whole.choices[0].message.content == "Hello world."
        assert [model.id async for model in client.models.list()] == [CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL]


CRUEL = 'a\u2028b\u2029"\\\x00\n\ndata: [DONE]\n\n🎉\x85é'


def test_cruel_text_arrives_unchanged(triton: FakeTriton, sdk: openai.OpenAI) -> None:
    """Line separators, framing and NUL in a text, one character a message, with empty deltas between."""

    def cruel(call: Call) -> Iterator[Message]:
        yield [call.accepted()]
        for character in CRUEL:
            yield [call.delta(""), call.delta(character)]
        yield [call.end()]

    triton.script = cruel
    stream = sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == CRUEL
    whole = sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
    assert whole.choices[0].message.content == CRUEL


def test_message_of_many_records_is_one_write(triton: FakeTriton, client: httpx.Client) -> None:
    """A busy engine's tokens come together, as several events in one piece of the body."""
    triton.script = lambda call: iter([[call.accepted()], [*(call.delta(f"{i}") for i in range(50)), call.end()]])
    with streaming(client, chat()) as response:
        pieces = [piece for piece in response.iter_raw() if piece != b": ping\n\n"]
    assert len(pieces) <= 3
    assert len(events(b"".join(pieces).decode())) == 53


def test_request_ids_and_headers(client: httpx.Client) -> None:
    """What OpenAI's clients look at, before the first byte of a stream too."""
    with streaming(client, chat()) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-request-id"]
        assert response.headers["openai-version"]
        assert int(response.headers["openai-processing-ms"]) >= 0
        response.read()


def test_every_route_is_documented(client: httpx.Client) -> None:
    """`/openapi.json` has the endpoints with bodies and answers."""
    document = client.get("/openapi.json").json()
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/moderations"):
        operation = document["paths"][path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        assert "ErrorResponse" in json.dumps(operation["responses"]["default"])
    assert {"/v1/models", "/v1/models/{model}", "/livez", "/readyz", "/metrics"} <= set(document["paths"])
    assert "text/event-stream" in document["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
