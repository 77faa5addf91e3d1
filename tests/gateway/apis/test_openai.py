"""OpenAI's endpoints over the real socket, by the official SDK and by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.fakes.gateway import RunningGateway
from tests.fakes.openai import chat, chunks, completion, events, streaming
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, EMBEDDING_MODEL, MODERATION_MODEL, Call, FakeTriton, Message

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The official SDK, which refuses what is not of its types and tries nothing twice."""
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key="any", max_retries=0, timeout=10, _strict_response_validation=True
    ) as client:
        yield client


def test_sdk_reads_a_chat(sdk: openai.OpenAI) -> None:
    """The whole answer."""
    answer = sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello world."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 2
    assert answer._request_id


def test_sdk_reads_a_stream(sdk: openai.OpenAI) -> None:
    """Chunk by chunk, with the usage last."""
    stream = sdk.chat.completions.create(
        model=CHAT_MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    received = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in received if c.choices) == "Hello world."
    assert [c.usage is None for c in received] == [True] * (len(received) - 1) + [False]


def test_sdk_helper_collects_a_stream(sdk: openai.OpenAI) -> None:
    """`chat.completions.stream()` makes the answer that the endpoint gives unstreamed."""
    with sdk.chat.completions.stream(model=CHAT_MODEL, messages=MESSAGES) as stream:
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content == "Hello world."


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


def test_sdk_reads_completions(sdk: openai.OpenAI) -> None:
    """Prompts as text and as tokens, several with several choices each, indexed in order."""
    answer = sdk.completions.create(model=CHAT_MODEL, prompt=["ab", "cde"], n=2, max_tokens=5)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(i, "Hello world.") for i in range(4)]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 8)
    assert sdk.completions.create(model=CHAT_MODEL, prompt=[5, 6]).choices[0].text == "Hello world."
    assert len(sdk.completions.create(model=CHAT_MODEL, prompt=[[5], [6, 7]]).choices) == 2


def test_completion_stream_ends_once(client: httpx.Client) -> None:
    """Prompts side by side in one stream: each choice finishes once, then the usage of all.

    Read by hand: the SDK's strict type wants a finish reason in every chunk, where OpenAI's own API sends null.
    """
    body = completion(prompt=["a", "b", "c"], n=2, stream=True, stream_options={"include_usage": True})
    received = chunks(client.post("/v1/completions", json=body).text)
    *parts, last = received
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 12
    texts = dict.fromkeys(range(6), "")
    finished: list[int] = []
    for part in parts:
        [choice] = part["choices"]
        texts[choice["index"]] += choice["text"]
        if choice["finish_reason"]:
            finished.append(choice["index"])
    assert texts == dict.fromkeys(range(6), "Hello world.")
    assert sorted(finished) == list(range(6))


def test_embeddings_come_in_both_encodings(sdk: openai.OpenAI, client: httpx.Client) -> None:
    """The SDK asks for base64 of its own accord (which its strict types do not know) and gives floats."""
    texts = ["a", "bc" * 8, "d"]
    floats = sdk.embeddings.create(model=EMBEDDING_MODEL, input=texts, encoding_format="float")
    body = client.post("/v1/embeddings", json={"model": EMBEDDING_MODEL, "input": texts, "encoding_format": "base64"})
    for index, (plain, packed) in enumerate(zip(floats.data, body.json()["data"], strict=True)):
        assert plain.index == packed["index"] == index
        assert np.frombuffer(base64.b64decode(packed["embedding"]), "<f4").tolist() == plain.embedding
    assert floats.usage.prompt_tokens == 18
    lenient = sdk.with_options(_extra_kwargs={"_strict_response_validation": False})
    assert lenient.embeddings.create(model=EMBEDDING_MODEL, input=texts).data[1].embedding == floats.data[1].embedding


def test_embeddings_take_tokens(sdk: openai.OpenAI) -> None:
    """The toy model gives the sum and the number of the ids."""
    answer = sdk.embeddings.create(model=EMBEDDING_MODEL, input=[[5, 6], [7]], encoding_format="float", dimensions=2)
    assert [data.embedding for data in answer.data] == [[11.0, 2.0], [7.0, 1.0]]


def test_sdk_reads_moderations(sdk: openai.OpenAI) -> None:
    """Every category for every text; id 7 of the toy vocabulary, an apostrophe's neighbour, is what it finds rude."""
    rude = "&"
    answer = sdk.moderations.create(input=["kind", rude], model=MODERATION_MODEL)
    assert answer.model == MODERATION_MODEL
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.harassment
    assert not answer.results[1].categories.violence
    assert answer.results[1].category_scores.harassment == pytest.approx(0.9)
    parts = sdk.moderations.create(input=[{"type": "text", "text": "kind"}, {"type": "text", "text": rude}])
    assert [result.flagged for result in parts.results] == [True]


def test_models_are_listed_and_found(sdk: openai.OpenAI) -> None:
    """Each model by itself as in the list."""
    for card in sdk.models.list():
        assert sdk.models.retrieve(card.id) == card
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.models.retrieve("nobody")
    assert caught.value.code == "model_not_found"


def test_engine_gets_what_was_asked(triton: FakeTriton, client: httpx.Client) -> None:
    """Options by their own names, the rendered prompt in tokens, and no more than the context leaves."""
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        *MESSAGES,
    ]
    body = chat(
        messages=messages, temperature=0.5, top_p=0, n=2, stop=["x"], seed=7, max_tokens=120, logprobs=True, min_p=0.1,
        response_format={"type": "json_object"}, user="u", metadata={"a": "b"},
    )  # fmt: skip
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    [call] = triton.calls
    prompt = "<system>a\nb</s><user>Hi</s><assistant>"
    assert len(call.token_ids) == len(prompt) - 2 * 3
    assert call.body == {
        "temperature": 0.5, "top_p": 1e-6, "n": 2, "stop": ["x"], "seed": 7, "min_p": 0.1, "logprobs": True,
        "top_logprobs": 0, "response_format": {"type": "json_object"},
        "max_completion_tokens": CONTEXT_LENGTH - len(call.token_ids),
    }  # fmt: skip


def test_choices_come_whole_and_streamed(client: httpx.Client) -> None:
    """`n` choices, each with its own index."""
    whole = client.post("/v1/chat/completions", json=chat(n=3)).json()
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["Hello world."] * 3
    received = chunks(client.post("/v1/chat/completions", json=chat(n=3, stream=True)).text)
    for chunk in received:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    for index in range(3):
        own = [c["choices"][0] for c in received if c["choices"][0]["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(c["delta"].get("content", "") for c in own) == "Hello world."
        assert [c["finish_reason"] for c in own if c["finish_reason"]] == ["stop"]


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
