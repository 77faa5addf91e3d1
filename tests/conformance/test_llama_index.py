"""LlamaIndex: its OpenAI-like model and embedder, with tools, streams and typed answers."""

from __future__ import annotations

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from tests.conformance.target import Target


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny."


@pytest.fixture
def llm(target: Target) -> OpenAILike:
    return OpenAILike(
        model=target.model,
        api_base=target.url,
        api_key=target.key,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )


def test_chat_streams_what_it_answers(llm: OpenAILike) -> None:
    """The last of the growing messages is the whole."""
    messages = [ChatMessage(role="user", content="Hello")]
    whole = llm.chat(messages).message.content
    pieces = list(llm.stream_chat(messages))
    assert whole
    assert len(pieces) > 1
    assert pieces[-1].message.content == "".join(piece.delta or "" for piece in pieces)


async def test_chat_is_asynchronous_too(llm: OpenAILike) -> None:
    """With the asynchronous client."""
    assert (await llm.achat([ChatMessage(role="user", content="Hello")])).message.content


def test_completion(target: Target) -> None:
    """/v1/completions, for models that only go on."""
    llm = OpenAILike(model=target.model, api_base=target.url, api_key=target.key, is_chat_model=False, max_tokens=5)
    assert llm.complete("Once upon a time").text


def test_tool_is_called(llm: OpenAILike) -> None:
    """Of the model's own choice."""
    response = llm.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg="What is the weather in Zürich?")
    [call] = llm.get_tool_calls_from_response(response)
    assert call.tool_name == "weather"
    assert call.tool_kwargs == {"city": "Zürich"}


def test_answer_has_the_type(llm: OpenAILike) -> None:
    """By a tool that must be called."""
    person = llm.structured_predict(Person, PromptTemplate("{text} Who is it?"), text="Boris is 42.")
    assert person == Person(name="Boris", age=42)


def test_embeddings(target: Target, embedder: str) -> None:
    """A query and a batch; the same text has the same vector."""
    model = OpenAILikeEmbedding(model_name=embedder, api_base=target.url, api_key=target.key)
    one = model.get_query_embedding("A text.")
    assert one == pytest.approx(model.get_text_embedding_batch(["A text.", "Another."])[0], abs=1e-5)
