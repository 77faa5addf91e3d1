"""Chat and completions with a real model, through the official SDK."""

from __future__ import annotations

import asyncio
import json

import httpx
import openai
import pytest

from tests.integration.conftest import CHAT_MODEL, System

PARIS = [{"role": "user", "content": "What is the capital of France?"}]
STORY = [{"role": "user", "content": "Tell me a long story about a fox and a river."}]


def test_chat_says_paris(client: openai.OpenAI) -> None:
    """A whole answer has the text, the finish reason and the usage of a real model."""
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=PARIS, temperature=0)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 10
    assert answer.usage.completion_tokens > 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_equals_whole(client: openai.OpenAI) -> None:
    """At temperature 0 the streamed text, finish reason and usage are those of the whole answer."""
    whole = client.chat.completions.create(model=CHAT_MODEL, messages=STORY, temperature=0, max_tokens=60)
    stream = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=STORY,
        temperature=0,
        max_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert text == whole.choices[0].message.content
    assert reasons == ["length"] == [whole.choices[0].finish_reason]
    assert len(chunks) > 30  # it came in pieces
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 60
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_max_tokens_defaults_to_context(client: openai.OpenAI) -> None:
    """Without a limit an answer is not cut at a small default: it ends when the model ends it."""
    question = [{"role": "user", "content": "Explain in three sentences why the sky is blue."}]
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=question, temperature=0)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 16
    assert answer.choices[0].finish_reason == "stop"


def test_alternatives_are_kept_apart(client: openai.OpenAI) -> None:
    """With n=3 every choice arrives whole, streamed and not, and the usage counts them all."""
    options = {"model": CHAT_MODEL, "messages": STORY, "n": 3, "max_tokens": 12, "temperature": 1.2, "seed": 7}
    answer = client.chat.completions.create(**options)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 36
    texts = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(**options, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert [choice.message.content for choice in answer.choices] == [texts[0], texts[1], texts[2]]


def test_stop_string_ends_answer(client: openai.OpenAI) -> None:
    """A stop string ends the text before it."""
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=PARIS, temperature=0, stop=[" Paris"])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "The capital of France is"


def test_logprobs_name_sampled_token(client: openai.OpenAI) -> None:
    """Log-probabilities are those of the tokens that make the text, the likeliest first."""
    answer = client.chat.completions.create(
        model=CHAT_MODEL, messages=PARIS, temperature=0, logprobs=True, top_logprobs=3, max_tokens=5
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == answer.choices[0].message.content
    for token in logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob == token.logprob  # greedy: the sampled token is the likeliest


def test_seed_repeats_sampling(client: openai.OpenAI) -> None:
    """The same seed gives the same text, another one another."""

    def sample(seed: int) -> str | None:
        answer = client.chat.completions.create(
            model=CHAT_MODEL, messages=STORY, temperature=1.0, max_tokens=16, seed=seed
        )
        return answer.choices[0].message.content

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_json_schema_is_enforced(client: openai.OpenAI) -> None:
    """A response format reaches the engine: what comes back fits the schema."""
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 20}, "million_people": {"enum": [1, 2, 3]}},
        "required": ["capital", "million_people"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=PARIS,
        temperature=0,
        max_tokens=100,
        response_format={"type": "json_schema", "json_schema": {"name": "capital", "schema": schema, "strict": True}},
    )
    content = json.loads(answer.choices[0].message.content or "")
    assert set(content) == {"capital", "million_people"}
    assert content["million_people"] in (1, 2, 3)


def test_completions_take_every_prompt_form(client: openai.OpenAI) -> None:
    """Text, texts, and token ids; the alternatives of prompt i start at index i times n."""
    one = client.completions.create(model=CHAT_MODEL, prompt="The capital of France is", temperature=0, max_tokens=4)
    assert "Paris" in one.choices[0].text
    texts = ["The capital of France is", "1, 2, 3, 4,"]
    two = client.completions.create(model=CHAT_MODEL, prompt=texts, temperature=0, max_tokens=4)
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.choices[0].text == one.choices[0].text
    assert "5" in two.choices[1].text
    four = client.completions.create(model=CHAT_MODEL, prompt=texts, temperature=0.01, max_tokens=4, n=2)
    assert [choice.index for choice in four.choices] == [0, 1, 2, 3]
    assert "5" in four.choices[2].text
    assert "5" in four.choices[3].text
    tokens = client.completions.create(model=CHAT_MODEL, prompt=[504, 3575, 282], max_tokens=1)
    assert tokens.usage is not None
    assert tokens.usage.prompt_tokens == 3


def test_concurrent_streams_interleave(system: System) -> None:
    """Ten streams are served at the same time: all have begun before the first has ended."""

    async def first_and_last(client: openai.AsyncOpenAI) -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        stream = await client.chat.completions.create(
            model=CHAT_MODEL, messages=STORY, max_tokens=40, stream=True, extra_body={"ignore_eos": True}
        )
        times = [loop.time() async for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
        assert len(times) > 10
        return times[0], times[-1]

    async def all_ten() -> list[tuple[float, float]]:
        async with openai.AsyncOpenAI(
            base_url=f"{system.url}/v1", api_key="none", timeout=120, _strict_response_validation=True
        ) as client:
            return await asyncio.gather(*(first_and_last(client) for _ in range(10)))

    spans = asyncio.run(all_ten())
    assert max(first for first, _ in spans) < min(last for _, last in spans)


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": "nope"}, 404, "model_not_found", None),
        ({"messages": []}, 400, "empty_array", "messages"),
        ({"temperature": 3}, 400, "decimal_above_max_value", "temperature"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, 400, "context_length_exceeded", "messages"),
        ({"logit_bias": {"99999999": 1}}, 400, None, "logit_bias"),
        ({"response_format": {"type": "json_schema"}}, 400, None, "response_format.json_schema"),
        ({"min_tokens": 10, "max_tokens": 5}, 400, None, None),
    ],
)
def test_bad_request_is_refused(
    client: openai.OpenAI, change: dict[str, object], status: int, code: str | None, param: str | None
) -> None:
    """A bad request gets its error in OpenAI's shape, found here or in the engine, streamed or not; others live on."""
    for stream in (False, True):
        body = {"model": CHAT_MODEL, "messages": PARIS, "stream": stream, **change}
        with pytest.raises(openai.APIStatusError) as caught:
            client.post("/chat/completions", body=body, cast_to=object)
        assert caught.value.status_code == status
        assert caught.value.type == "invalid_request_error"
        if code is not None:
            assert caught.value.code == code
        if param is not None:
            assert caught.value.param == param
    assert client.chat.completions.create(model=CHAT_MODEL, messages=PARIS, max_tokens=1).choices


def test_greedy_alternatives_are_equal(client: openai.OpenAI) -> None:
    """At temperature 0 vLLM has one answer and refuses to be asked for two; OpenAI gives it twice, and so do we."""
    for stream in (False, True):
        options = {"model": CHAT_MODEL, "messages": PARIS, "temperature": 0, "n": 2, "max_tokens": 8}
        if stream:
            texts = {0: "", 1: ""}
            for chunk in client.chat.completions.create(**options, stream=True):
                for choice in chunk.choices:
                    texts[choice.index] += choice.delta.content or ""
            assert texts[0] == texts[1] != ""
        else:
            answer = client.chat.completions.create(**options)
            assert answer.choices[0].message == answer.choices[1].message
            assert answer.usage is not None
            assert answer.usage.completion_tokens == 16


def test_prompt_is_judged_and_repeated(system: System) -> None:
    """`echo` with `logprobs` and no token to generate is how evaluation harnesses score a text."""
    text = "The capital of France is Paris"
    body = {"model": CHAT_MODEL, "prompt": text, "echo": True, "logprobs": 1, "max_tokens": 0}
    answer = httpx.post(f"{system.url}/v1/completions", json=body, timeout=120).json()
    [choice] = answer["choices"]
    logprobs = choice["logprobs"]
    assert choice["text"] == text == "".join(logprobs["tokens"])
    assert logprobs["token_logprobs"][0] is None
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])
    assert logprobs["token_logprobs"][-1] > -3  # it knows
    assert answer["usage"]["completion_tokens"] == 0


def test_message_goes_on(client: openai.OpenAI) -> None:
    """The answer takes up where the last message stops."""
    messages = [*PARIS, {"role": "assistant", "content": "The capital of France is"}]
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=messages,
        temperature=0,
        max_tokens=4,
        extra_body={"continue_final_message": True, "echo": True},
    )
    assert (answer.choices[0].message.content or "").startswith("The capital of France is Paris")
