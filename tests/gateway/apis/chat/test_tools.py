"""Tools over the socket: what reaches the backend, what comes back, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat
from tests.fakes.triton import CHAT_MODEL, Call, FakeTriton, Message

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": WEATHER}]
NAMED = {"type": "function", "function": {"name": "weather"}}


def calls_weather(call: Call) -> Iterator[Message]:
    """A model that thinks and then calls."""
    rid = call.rid
    yield [call.accepted(), [rid, "delta", 0, "", 2, {"reasoning": "Hm."}]]
    yield [[rid, "delta", 0, "", 1, {"tool_calls": [{"index": 0, "id": "c1", "name": "weather", "arguments": '{"ci'}]}]]
    yield [
        [rid, "delta", 0, "", 1, {"tool_calls": [{"index": 0, "id": None, "name": None, "arguments": 'ty": "Rom"}'}]}]
    ]
    yield [call.end("tool_calls")]


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("choice", [None, "auto", "required", NAMED])
def test_calls_come_back_in_openais_shape(triton: FakeTriton, sdk: openai.OpenAI, choice: Any) -> None:
    """The whole answer has the call; the engine was given the tools as they came."""
    triton.script = calls_weather
    given: Any = {} if choice is None else {"tool_choice": choice}
    answer = sdk.chat.completions.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "Rain?"}], tools=TOOLS, **given
    )
    [made] = answer.choices
    assert made.finish_reason == "tool_calls"
    assert made.message.content is None
    assert made.message.model_extra is not None
    assert made.message.model_extra["reasoning"] == made.message.model_extra["reasoning_content"] == "Hm."
    [call] = made.message.tool_calls or []
    assert (call.id, call.function.name, call.function.arguments) == ("c1", "weather", '{"city": "Rom"}')
    body = triton.next_call().body
    assert body["tools"] == TOOLS
    assert body.get("tool_choice") == choice


def test_streamed_calls_are_the_same(triton: FakeTriton, sdk: openai.OpenAI) -> None:
    """The SDK's own helper puts the pieces together."""
    triton.script = calls_weather
    with sdk.chat.completions.stream(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "Rain?"}], tools=TOOLS, parallel_tool_calls=False
    ) as stream:
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Rom"}')
    assert triton.next_call().body["parallel_tool_calls"] is False


def test_conversation_with_results_is_rendered(triton: FakeTriton, client: httpx.Client) -> None:
    """Calls and their results are part of the conversation that the template gets."""
    called = {"name": "weather", "arguments": '{"city": "Rom"}'}
    conversation = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": "c1", "content": "Sun."},
    ]
    response = client.post("/v1/chat/completions", json=chat(messages=conversation, tools=TOOLS))
    assert response.status_code == 200, response.text
    assert triton.next_call().token_ids


def test_tools_not_to_be_called_are_not_the_engines_business(triton: FakeTriton, client: httpx.Client) -> None:
    """With `tool_choice: none` the backend parses nothing."""
    response = client.post("/v1/chat/completions", json=chat(tools=TOOLS, tool_choice="none"))
    assert response.json()["choices"][0]["message"]["content"] == "Hello world."
    assert not triton.next_call().body.keys() & {"tools", "tool_choice"}


def test_model_without_a_parser_refuses_tools() -> None:
    """Its calls would come back as text: the client is told so, and of the remedy that it has."""
    with FakeTriton() as triton:
        triton.tool_parser = None
        with running_gateway(triton_urls=(triton.address,)) as gateway, gateway.client() as client:
            gateway.wait_ready()
            refused = client.post("/v1/chat/completions", json=chat(tools=TOOLS))
            assert refused.status_code == 400
            assert "tool parser" in refused.json()["error"]["message"]
            assert refused.json()["error"]["param"] == "tools"
            assert client.post("/v1/chat/completions", json=chat(tools=TOOLS, tool_choice="none")).status_code == 200
