"""`/v1/completions` as the official SDK and a plain client see it, with several prompts in one answer."""

from __future__ import annotations

import httpx
import openai

from tests.fakes.openai import chunks, completion
from tests.fakes.triton import CHAT_MODEL


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
