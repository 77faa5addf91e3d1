"""`/v1/chat/completions` as the official SDK and a plain client see it: whole, streamed, in several choices."""

from __future__ import annotations

from typing import Any

import httpx
import openai
from openai.types.chat import ChatCompletionChunk

from tests.fakes.openai import chat, chunks
from tests.fakes.triton import CHAT_MODEL

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_sdk_reads_a_chat(sdk: openai.OpenAI) -> None:
    """The whole answer."""
    answer = sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello world."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 2
    assert answer._request_id  # public, by the SDK's documentation


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
