"""The official SDK for Python: every call that the gateway answers, with its strict check of responses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.conformance.target import Target

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NAMED: Any = {"type": "function", "function": {"name": "weather"}}


class Person(BaseModel):
    name: str
    age: int


def connect(target: Target, *, strict: bool) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=target.url, api_key=target.key, max_retries=0, timeout=50, _strict_response_validation=strict
    )


@pytest.fixture
def client(target: Target) -> openai.OpenAI:
    return connect(target, strict=True)


@pytest.fixture
def lenient(target: Target) -> openai.OpenAI:
    """For the two calls of which the strict check refuses what OpenAI itself answers."""
    return connect(target, strict=False)


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_chat_answers(client: openai.OpenAI, target: Target) -> None:
    """With text, a finish reason and usage that adds up."""
    answer = client.chat.completions.create(model=target.model, messages=ask("Hello"))
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer._request_id


def test_chat_streams_what_it_answers(client: openai.OpenAI, target: Target) -> None:
    """The SDK's own accumulation of a stream is the whole answer."""
    whole = client.chat.completions.create(model=target.model, messages=ask("Hello"), temperature=0, seed=1)
    with client.chat.completions.stream(
        model=target.model, messages=ask("Hello"), temperature=0, seed=1, stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("content.delta") > 1
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.usage is not None
    assert whole.usage is not None
    assert final.usage.completion_tokens == whole.usage.completion_tokens


def test_async_client_streams(target: Target) -> None:
    """The asynchronous client too."""

    async def texts() -> list[str]:
        async with openai.AsyncOpenAI(base_url=target.url, api_key=target.key, max_retries=0) as client:
            stream = await client.chat.completions.create(model=target.model, messages=ask("Hello"), stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(asyncio.run(texts()))


def test_alternatives_and_logprobs(client: openai.OpenAI, target: Target) -> None:
    """Two choices, each with a log probability a token that spells its text."""
    answer = client.chat.completions.create(
        model=target.model, messages=ask("Hello"), n=2, logprobs=True, top_logprobs=2, max_completion_tokens=5
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert choice.logprobs is not None
        entries = choice.logprobs.content or []
        assert len(entries) == 5
        spelt = b"".join(bytes(entry.bytes or []) for entry in entries)
        assert spelt.decode(errors="ignore").startswith((choice.message.content or "").rstrip("\ufffd"))


@pytest.mark.parametrize("tool_choice", ["auto", "required", NAMED])
@pytest.mark.parametrize("stream", [False, True])
def test_tool_is_called(client: openai.OpenAI, target: Target, tool_choice: Any, stream: bool) -> None:
    """Of its own choice, because it must, and by name; whole, and as the SDK adds up the pieces."""
    request: Any = {
        "model": target.model,
        "messages": ask("What is the weather in Zürich?"),
        "tools": [WEATHER],
        "tool_choice": tool_choice,
    }
    if stream:
        with client.chat.completions.stream(**request) as pieces:
            choice: Any = pieces.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**request).choices[0]
    [call] = choice.message.tool_calls
    assert call.id
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Zürich"}
    assert choice.finish_reason == ("stop" if tool_choice is NAMED else "tool_calls")


def test_two_tools_are_called_at_once(client: openai.OpenAI, target: Target) -> None:
    """Streamed in parallel, each call with an id and arguments of its own."""
    with client.chat.completions.stream(
        model=target.model, messages=ask("What is the weather in Zürich and in Rome?"), tools=[WEATHER]
    ) as pieces:
        calls = pieces.get_final_completion().choices[0].message.tool_calls or []
    assert [json.loads(call.function.arguments or "") for call in calls] == [{"city": "Zürich"}, {"city": "Rome"}]
    assert len({call.id for call in calls}) == 2


def test_conversation_goes_on_after_a_call(client: openai.OpenAI, target: Target) -> None:
    """The model's message goes back as it came, with the tool's result behind it."""
    messages = ask("What is the weather in Zürich?")
    said = client.chat.completions.create(model=target.model, messages=messages, tools=[WEATHER]).choices[0].message
    assert said.tool_calls
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Sunny, 21 degrees."}
    answer = client.chat.completions.create(model=target.model, messages=[*messages, said, result], tools=[WEATHER])
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_parse_gives_the_type(client: openai.OpenAI, target: Target, stream: bool) -> None:
    """`response_format` from a class, and its instance back."""
    request: Any = {"model": target.model, "messages": ask("Anna is 31. Who is it?"), "response_format": Person}
    if stream:
        with client.chat.completions.stream(**request) as pieces:
            answer = pieces.get_final_completion()
    else:
        answer = client.chat.completions.parse(**request)
    assert answer.choices[0].message.parsed == Person(name="Anna", age=31)


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_stands_apart(client: openai.OpenAI, target: Target, reasoner: str, stream: bool) -> None:
    """In members of their own, beside an answer without it."""
    request: Any = {"model": reasoner, "messages": ask("Hello")}
    if stream:
        deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**request, stream=True)]
        text = "".join(delta.content or "" for delta in deltas)
        reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    else:
        message: Any = client.chat.completions.create(**request).choices[0].message
        text, reasoning = message.content, message.reasoning_content
    assert text
    assert reasoning
    assert "</think>" not in text + reasoning


def test_completions(client: openai.OpenAI, lenient: openai.OpenAI, target: Target) -> None:
    """Whole and streamed, with the prompt before it on demand."""
    request: Any = {"model": target.model, "prompt": "Once upon a time", "max_tokens": 6, "temperature": 0, "seed": 1}
    whole = client.completions.create(**request)
    # OpenAI's chunks have no finish reason either before the last one, though the SDK's type asks for it.
    streamed = lenient.completions.create(**request, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole.choices[0].text
    echoed = client.completions.create(**request, echo=True)
    assert echoed.choices[0].text == "Once upon a time" + whole.choices[0].text


def test_embeddings(client: openai.OpenAI, lenient: openai.OpenAI, embedder: str) -> None:
    """As base64, which the SDK asks for by itself, and as numbers, alike."""
    texts = ["A text.", "Another one."]
    # The SDK decodes base64 after its strict check, which wants numbers.
    default = lenient.embeddings.create(model=embedder, input=texts)
    numbers = client.embeddings.create(model=embedder, input=texts, encoding_format="float")
    assert len(default.data) == 2
    for one, other in zip(default.data, numbers.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-5)


def test_models_are_listed(client: openai.OpenAI, target: Target) -> None:
    """And told one by one."""
    assert target.model in [model.id for model in client.models.list()]
    assert client.models.retrieve(target.model).id == target.model


@pytest.mark.parametrize(
    ("change", "error", "param", "code"),
    [
        ({"model": "no-such-model"}, openai.NotFoundError, None, "model_not_found"),
        ({"temperature": 9}, openai.BadRequestError, "temperature", None),
        ({"messages": "hi"}, openai.BadRequestError, "messages", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks(
    client: openai.OpenAI, target: Target, change: Any, error: Any, param: str | None, code: str | None, stream: bool
) -> None:
    """A status the SDK has a class for, with the field's name and the code, before a stream begins."""
    request = {"model": target.model, "messages": ask("Hello"), "stream": stream, **change}
    with pytest.raises(error) as raised:
        client.chat.completions.create(**request)
    assert raised.value.request_id
    assert param is None or raised.value.param == param
    assert code is None or raised.value.code == code
