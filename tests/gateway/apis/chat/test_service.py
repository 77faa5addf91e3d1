"""Fields of a chat over the socket: what reaches template and engine, and how the answer tells what came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.lib.streaming._deltas import accumulate_delta  # the SDK's own: the name is private, the behaviour is not

from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat, chunks
from tests.fakes.tokenizer import SPECIAL_TOKENS, toy_tokenizer
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, Call, FakeTriton, Message, toy_files
from tests.gateway.apis.chat.test_tools import TOOLS, WEATHER, calls_weather

PATH = "/v1/chat/completions"
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
OTHER = {"type": "function", "function": {"name": "other"}}
THINKING_TEMPLATE = (
    "{{ 'think ' if enable_thinking else 'quick ' }}{{ reasoning_effort or '' }}{% for d in documents or [] %}[{{ d.text }}]"
    "{% endfor %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.id }}:"
    "{{ c.function.name }}{% endfor %}{{ m.tool_call_id or '' }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)


def answered(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post(PATH, json=chat(**fields))
    assert response.status_code == 200, response.text
    return response.json()


def streamed(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    return chunks(client.post(PATH, json=chat(stream=True, **fields)).text)


def prompt_of(call: Call) -> str:
    """The toy tokeniser has an id for each byte."""
    return toy_tokenizer().decode(call.token_ids, skip_special_tokens=False)


@pytest.fixture(scope="module")
def thinking() -> Iterator[tuple[FakeTriton, RunningGateway]]:
    """A model whose template takes everything that templates may be told."""
    files = toy_files()
    config = {"chat_template": THINKING_TEMPLATE, **SPECIAL_TOKENS}
    files[CHAT_MODEL]["tokenizer_config.json"] = json.dumps(config).encode()
    with FakeTriton(files=files) as triton, running_gateway(triton_urls=(triton.address,)) as gateway:
        gateway.wait_ready()
        yield triton, gateway


@pytest.fixture
def thinker(thinking: tuple[FakeTriton, RunningGateway]) -> Iterator[tuple[FakeTriton, httpx.Client]]:
    triton, gateway = thinking
    triton.reset()
    with gateway.client() as client:
        yield triton, client


# Tools


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_the_only_ones(triton: FakeTriton, client: httpx.Client, mode: str) -> None:
    """The engine hears of those alone, in the mode that was chosen."""
    triton.script = calls_weather
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "weather"}}]}
    answer = answered(client, tools=[*TOOLS, OTHER], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    body = triton.next_call().body
    assert body["tools"] == TOOLS
    assert body["tool_choice"] == mode


@pytest.mark.parametrize(
    ("function_call", "choice"),
    [(None, None), ("auto", "auto"), ({"name": "weather"}, {"type": "function", "function": {"name": "weather"}})],
)
def test_functions_are_tools_to_the_engine(
    triton: FakeTriton, client: httpx.Client, function_call: Any, choice: Any
) -> None:
    """OpenAI's deprecated fields, answered in their own shape, whole and streamed."""
    triton.script = calls_weather
    fields = {"functions": [WEATHER], "function_call": function_call}
    [whole] = answered(client, **fields)["choices"]
    assert whole["message"]["function_call"] == {"name": "weather", "arguments": '{"city": "Rom"}'}
    assert "tool_calls" not in whole["message"]
    assert whole["finish_reason"] == "function_call"
    body = triton.next_call().body
    assert body["tools"] == TOOLS
    assert body.get("tool_choice") == choice
    assert body["parallel_tool_calls"] is False
    said: dict[str, Any] = {}
    for chunk in streamed(client, **fields):
        accumulate_delta(said, chunk["choices"][0]["delta"])
    assert said["function_call"] == whole["message"]["function_call"]


def test_functions_not_to_be_called_are_left_out(triton: FakeTriton, client: httpx.Client) -> None:
    """`function_call: none` is a plain answer."""
    answer = answered(client, functions=[WEATHER], function_call="none")
    assert answer["choices"][0]["message"]["content"] == "Hello world."
    assert "tools" not in triton.next_call().body


def test_past_function_calls_reach_the_template(thinker: tuple[FakeTriton, httpx.Client]) -> None:
    """As tool calls, each with an id by which its answer is known."""
    triton, client = thinker
    messages = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": [{"type": "text", "text": "Sun"}]},
    ]
    answered(client, messages=messages)
    assert prompt_of(triton.next_call()) == "quick <user>Rain?<assistant>call00001:weather<tool>Suncall00001<a>"


# What the template is told


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({}, "quick "),
        ({"reasoning_effort": "high"}, "think high"),
        ({"reasoning_effort": "none"}, "quick none"),
        ({"chat_template_kwargs": {"enable_thinking": True}}, "think "),
        ({"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}}, "quick low"),
        ({"documents": [{"title": "T", "text": "D"}]}, "quick [D]"),
    ],
)
def test_template_is_told(thinker: tuple[FakeTriton, httpx.Client], fields: dict[str, Any], start: str) -> None:
    """Reasoning and documents; the engine's parsers hear of the reasoning too."""
    triton, client = thinker
    answered(client, **fields)
    call = triton.next_call()
    assert prompt_of(call) == f"{start}<user>Hi<a>"
    for name in ("reasoning_effort", "chat_template_kwargs"):
        assert call.body.get(name) == fields.get(name)


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"continue_final_message": True}, "<assistant>Well, "),
        ({"continue_final_message": True, "add_generation_prompt": False}, "<assistant>Well, "),
        ({"add_generation_prompt": False}, "<assistant>Well, </s>"),
        ({}, "<assistant>Well, </s><assistant>"),
    ],
)
def test_last_message_goes_on_or_not(
    triton: FakeTriton, client: httpx.Client, fields: dict[str, Any], end: str
) -> None:
    """A prefilled answer, an open end, or a new turn."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well, "}]
    answered(client, messages=messages, **fields)
    assert prompt_of(triton.next_call()) == f"<user>Hi</s>{end}"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"truncate_prompt_tokens": 4}, "ant>"),
        ({"truncate_prompt_tokens": 4, "truncation_side": "right"}, "<use"),
        ({"truncate_prompt_tokens": 100}, "<user>Hi</s><assistant>"),
    ],
)
def test_long_prompts_are_cut(triton: FakeTriton, client: httpx.Client, fields: dict[str, Any], kept: str) -> None:
    """On request, at the side that was chosen."""
    assert answered(client, **fields)["usage"]["prompt_tokens"] == len(triton.next_call().token_ids)
    assert prompt_of(triton.calls[0]) == kept


def test_what_does_not_fit_is_cut_to_what_does(triton: FakeTriton, client: httpx.Client) -> None:
    """-1 leaves room for one token."""
    answered(client, messages=[{"role": "user", "content": "x" * 500}], truncate_prompt_tokens=-1)
    assert len(triton.next_call().token_ids) == CONTEXT_LENGTH - 1


def test_tokeniser_adds_its_own_on_request(triton: FakeTriton, client: httpx.Client) -> None:
    """The toy one has none to add; what counts is that the field is taken."""
    answered(client, add_special_tokens=True)
    assert prompt_of(triton.next_call()) == "<user>Hi</s><assistant>"


# What is told of the answer


def details(call: Call) -> Iterator[Message]:
    """An answer of two tokens with everything that can be told of it."""
    tokens = [[9, "He", -0.5, [[9, "He", -0.5], [8, "Ha", -1.5]]], [7, "y", -0.25, []]]
    prompt = {"logprobs": [None, *([5, "x", -2.0, [[6, "z", -0.125]], 12] for _ in call.token_ids[1:])]}
    yield [call.accepted()]
    if "prompt_logprobs" in call.body:
        yield [[call.rid, "prompt", None, prompt]]
    for token in tokens:
        extra: dict[str, Any] = {}
        if call.body.get("logprobs"):
            extra["logprobs"] = [token]
        if call.body.get("return_token_ids"):
            extra["token_ids"] = [token[0]]
        yield [[call.rid, "delta", 0, token[1], 1, extra or None]]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1, "reasoning_tokens": 1}
    yield [[call.rid, "end", 0, "stop", None, usage]]


def test_token_ids_are_told(triton: FakeTriton, client: httpx.Client) -> None:
    """Those of the prompt once, those of the answer as they come."""
    triton.script = details
    whole = answered(client, return_token_ids=True)
    sent = triton.next_call().token_ids
    assert whole["prompt_token_ids"] == sent
    assert whole["choices"][0]["token_ids"] == [9, 7]
    first, *rest = streamed(client, return_token_ids=True)
    assert first["prompt_token_ids"] == sent
    assert [chunk["choices"][0].get("token_ids") for chunk in rest] == [[9], [7], None]
    assert not any("prompt_token_ids" in chunk for chunk in rest)


def test_tokens_may_be_named_by_id(triton: FakeTriton, client: httpx.Client) -> None:
    """The alternatives too."""
    triton.script = details
    answer = answered(client, logprobs=True, top_logprobs=2, return_tokens_as_token_ids=True)
    first, second = answer["choices"][0]["logprobs"]["content"]
    assert (first["token"], second["token"]) == ("token_id:9", "token_id:7")
    assert [top["token"] for top in first["top_logprobs"]] == ["token_id:9", "token_id:8"]


def test_prompt_logprobs_have_vllms_shape(triton: FakeTriton, client: httpx.Client) -> None:
    """By token id, null for the first."""
    triton.script = details
    answer = answered(client, prompt_logprobs=1)
    first, second, *_ = answer["prompt_logprobs"]
    assert first is None
    assert second == {
        "5": {"logprob": -2.0, "rank": 12, "decoded_token": "x"},
        "6": {"logprob": -0.125, "rank": 1, "decoded_token": "z"},
    }
    assert "prompt_logprobs" not in answered(client)


def test_reasoning_tokens_are_counted(triton: FakeTriton, client: httpx.Client) -> None:
    """Where the backend counts them; others have no such member."""
    triton.script = details
    assert answered(client)["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}
    last = streamed(client, stream_options={"include_usage": True})[-1]
    assert last["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}
    triton.reset()
    assert "completion_tokens_details" not in answered(client)["usage"]


def test_usage_may_be_told_on_the_way(client: httpx.Client) -> None:
    """Every chunk has the counts so far; the last of all has the whole."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    received = streamed(client, stream_options=options)
    assert [chunk["usage"]["completion_tokens"] for chunk in received] == [0, 1, 2, 2, 2]
    assert len({chunk["usage"]["prompt_tokens"] for chunk in received}) == 1
    assert received[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_answer_may_begin_with_the_message_it_continues(client: httpx.Client) -> None:
    """`echo`, for an assistant's message only."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well: "}]
    fields: dict[str, Any] = {"messages": messages, "continue_final_message": True, "echo": True, "n": 2}
    whole = answered(client, **fields)
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["Well: Hello world."] * 2
    texts = {0: "", 1: ""}
    for chunk in streamed(client, **fields):
        [choice] = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == dict.fromkeys(range(2), "Well: Hello world.")
    assert answered(client, echo=True)["choices"][0]["message"]["content"] == "Hello world."


# What reaches the engine

ENGINE_FIELDS: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.5, "n": 2, "stop": ["x"], "seed": 7, "frequency_penalty": 0.1, "presence_penalty": 0.2,
    "logit_bias": {"5": 1.0}, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "min_tokens": 1, "ignore_eos": True,
    "stop_token_ids": [5], "bad_words": ["x"], "allowed_token_ids": [5, 6], "include_stop_str_in_output": True,
    "skip_special_tokens": False, "spaces_between_special_tokens": False, "prompt_logprobs": 1, "return_token_ids": True,
    "thinking_token_budget": 5, "repetition_detection": {"max_pattern_size": 3, "min_count": 2}, "priority": 3,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object", "default": None}, "strict": True},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ENGINE_FIELDS)
def test_option_reaches_the_engine(triton: FakeTriton, client: httpx.Client, name: str) -> None:
    """By its own name and as it came."""
    answered(client, **{name: ENGINE_FIELDS[name]})
    assert triton.next_call().body[name] == ENGINE_FIELDS[name]


@pytest.mark.parametrize(
    "constraint",
    [
        {"json": {"type": "object"}},
        {"regex": "a+"},
        {"choice": ["a", "b"]},
        {"grammar": "root ::= 'a'"},
        {"json_object": True},
    ],
)
def test_constraint_reaches_the_engine(triton: FakeTriton, client: httpx.Client, constraint: dict[str, Any]) -> None:
    """vLLM's `structured_outputs`, one at a time; a plain `response_format` does not stand in its way."""
    answered(client, structured_outputs=constraint, response_format={"type": "text"})
    assert triton.next_call().body["structured_outputs"] == constraint


def test_tokens_to_tell_of_need_logprobs(triton: FakeTriton, client: httpx.Client) -> None:
    """And reach the engine with them."""
    answered(client, logprobs=True, logprob_token_ids=[5, 6])
    assert triton.next_call().body["logprob_token_ids"] == [5, 6]


def test_unknown_field_is_refused_where_that_is_wanted(triton: FakeTriton, client: httpx.Client) -> None:
    """With `strict`; without it, the field is ignored."""
    assert answered(client, some_new_field=1)["choices"]
    with running_gateway(triton_urls=(triton.address,), strict=True) as gateway, gateway.client() as strict:
        gateway.wait_ready()
        response = strict.post(PATH, json=chat(some_new_field=1))
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["param"], error["code"]) == ("some_new_field", "unknown_parameter")
        assert error["message"] == "Unrecognized request argument supplied: some_new_field"
        assert strict.post(PATH, json=chat(user="u", store=True, echo=False)).status_code == 200


def test_sdks_own_arguments_are_all_taken(gateway: RunningGateway) -> None:
    """What the official client sends for `developer`, `max_completion_tokens` and the rest is understood."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        answer = sdk.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            max_completion_tokens=5,
            metadata={"a": "b"},
            modalities=["text"],
            prompt_cache_key="k",
            safety_identifier="s",
            service_tier="auto",
            store=False,
            verbosity="low",
        )
    assert answer.choices[0].message.content == "Hello world."


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
