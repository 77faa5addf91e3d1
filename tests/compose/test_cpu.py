"""compose.cpu.yaml with a real engine: what a new user types first, and what happens when something dies."""

from __future__ import annotations

import httpx
import openai
import pytest

from tests.compose.stack import Stack

CHAT = "smollm2-135m-instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(cpu_stack: Stack) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{cpu_stack.url}/v1", api_key="none", max_retries=0, timeout=60)


def says_paris(client: openai.OpenAI) -> bool:
    try:
        answer = client.chat.completions.create(model=CHAT, messages=QUESTION, max_tokens=16)  # pyright: ignore[reportArgumentType]
    except openai.APIError:
        return False
    return "Paris" in (answer.choices[0].message.content or "")


def test_every_model_answers(client: openai.OpenAI):
    """Whole and streamed, vectors, and a verdict."""
    assert says_paris(client)
    stream = client.chat.completions.create(model=CHAT, messages=QUESTION, max_tokens=16, stream=True)  # pyright: ignore[reportArgumentType,reportCallIssue]
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert len(client.embeddings.create(model="all-minilm-l6-v2", input="a text").data[0].embedding) == 384
    assert client.moderations.create(model="moderation", input="have a nice day").results[0].flagged is False


def test_engine_that_is_killed_comes_back_in_place(cpu_stack: Stack, client: openai.OpenAI):
    """The stub stays, and Triton too."""
    [triton] = cpu_stack.processes("triton", "bin/tritonserver")
    cpu_stack.kill("triton", "VLLM::EngineCore")
    cpu_stack.wait_for(lambda: says_paris(client), "an answer after the engine's death")
    assert cpu_stack.processes("triton", "bin/tritonserver") == [triton]


def test_stop_is_clean(cpu_stack: Stack, client: openai.OpenAI):
    """Each container ends by itself within its grace, and starts again with what is in its volumes."""
    assert says_paris(client)
    cpu_stack.compose("stop")
    for service in ("gateway", "triton"):
        state = cpu_stack.inspect(service)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), cpu_stack.logs(service)[-3000:]
    cpu_stack.up()
    assert says_paris(client)
    assert httpx.get(f"{cpu_stack.url}/readyz").status_code == 200
