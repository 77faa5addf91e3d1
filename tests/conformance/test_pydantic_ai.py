"""pydantic-ai: an agent that answers, calls a tool, and gives a typed result."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.conformance.target import Target


class Person(BaseModel):
    name: str
    age: int


def model(target: Target, name: str) -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=target.url, api_key=target.key))


async def test_agent_streams_what_it_answers(target: Target) -> None:
    """Both ways with text and the usage."""
    agent = Agent(model(target, target.model))
    whole = await agent.run("Hello")
    assert whole.output
    assert whole.usage.output_tokens > 0
    async with agent.run_stream("Hello") as streamed:
        pieces = [text async for text in streamed.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1
    assert "".join(pieces)


@pytest.mark.parametrize("stream", [False, True])
async def test_agent_calls_a_tool(target: Target, stream: bool) -> None:
    """And answers with its result."""
    asked: list[str] = []
    agent = Agent(model(target, target.model))

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "Sunny, 21 degrees."

    question = "What is the weather in Zürich?"
    if stream:
        async with agent.run_stream(question) as streamed:
            output = await streamed.get_output()
    else:
        output = (await agent.run(question)).output
    assert asked == ["Zürich"]
    assert output


@pytest.mark.parametrize("kind", [ToolOutput, NativeOutput])
async def test_result_has_the_type(target: Target, kind: type[ToolOutput[Person]]) -> None:
    """By a tool that must be called, and by a schema."""
    agent = Agent(model(target, target.model), output_type=kind(Person))
    result = await agent.run("Anna is 31. Who is it?")
    assert result.output == Person(name="Anna", age=31)


async def test_thoughts_are_parts(target: Target, reasoner: str) -> None:
    """Reasoning is a part of its own, before the answer."""
    result = await Agent(model(target, reasoner)).run("Hello")
    thoughts = [part for message in result.all_messages() for part in message.parts if isinstance(part, ThinkingPart)]
    assert thoughts
    assert thoughts[0].content
    assert "</think>" not in result.output
