"""Bad requests over the real socket: the status, and the type, param and code that clients match on."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.apis.chat.schema import ChatCompletionRequest
from gateway.apis.completions.schema import CompletionRequest
from tests.fakes.openai import chat, completion
from tests.fakes.triton import EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton

DEEP = 100_000


class Wrong(NamedTuple):
    """A field of a chat request, as JSON text, and what is said of it."""

    field: str
    value: str
    param: str | None
    code: str | None


def said(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert "Traceback" not in response.text
    return body["error"]


def assert_refused(response: httpx.Response, param: str | None, code: str | None) -> None:
    error = said(response)
    assert (response.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert (error["param"], error["code"]) == (param, code), error
    assert error["message"]


PART = "messages[0].content[0]"


def said_in(part: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": [part]}])


NUMBERS = [
    Wrong(field, value, field, code)
    for field, value, code in (
        ("temperature", "-0.1", "decimal_below_min_value"),
        ("temperature", "2.01", "decimal_above_max_value"),
        ("temperature", '"1"', "invalid_type"),
        ("temperature", "true", "invalid_type"),
        ("temperature", "[]", "invalid_type"),
        ("top_p", "1.5", "decimal_above_max_value"),
        ("n", "0", "integer_below_min_value"),
        ("n", "129", "integer_above_max_value"),
        ("n", "true", "invalid_type"),
        ("n", "1.5", "invalid_type"),
        ("n", '"2"', "invalid_type"),
        ("n", "1" + "0" * 30, "integer_above_max_value"),
        ("max_tokens", "0", "integer_below_min_value"),
        ("max_completion_tokens", "-1", "integer_below_min_value"),
        ("max_tokens", "false", "invalid_type"),
        ("top_logprobs", "21", "integer_above_max_value"),
        ("seed", "18446744073709551615", "integer_above_max_value"),
        ("seed", "18446744073709551616", "integer_above_max_value"),
        ("seed", "-9223372036854775809", "integer_below_min_value"),
        ("frequency_penalty", "2.5", "decimal_above_max_value"),
        ("presence_penalty", "-3", "decimal_below_min_value"),
        ("repetition_penalty", "0", "decimal_below_min_value"),
        ("top_k", "-2", "integer_below_min_value"),
        ("min_tokens", "-1", "integer_below_min_value"),
        ("stream", "1", "invalid_type"),
        ("logprobs", "5", "invalid_type"),
    )
]

OTHERS = [
    Wrong("model", "5", "model", "invalid_type"),
    Wrong("model", '""', "model", "empty_string"),
    Wrong("model", "null", "model", "invalid_type"),
    Wrong("messages", "[]", "messages", "empty_array"),
    Wrong("messages", '"Hi"', "messages", "invalid_type"),
    Wrong("messages", "{}", "messages", "invalid_type"),
    Wrong("messages", "[5]", "messages[0]", "invalid_type"),
    Wrong("messages", "[{}]", "messages[0].role", "missing_required_parameter"),
    Wrong("messages", '[{"role":"user"}]', "messages[0].content", "missing_required_parameter"),
    Wrong("messages", '[{"role":"king","content":"x"}]', "messages[0].role", "invalid_value"),
    Wrong("messages", '[{"role":"user","content":5}]', "messages[0].content", "invalid_type"),
    Wrong(
        "messages",
        '[{"role":"user","content":"x"},{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x"}}]}]',
        "messages[1].content[0].type",
        "invalid_value",
    ),
    Wrong(
        "messages",
        '[{"role":"user","content":[{"type":"text"}]}]',
        "messages[0].content[0].text",
        "missing_required_parameter",
    ),
    Wrong("stop", '["a","b","c","d","e"]', "stop", "array_above_max_length"),
    Wrong("stop", "5", "stop", "invalid_type"),
    Wrong("stop", '["a",""]', "stop[1]", "empty_string"),
    Wrong("logit_bias", '{"5":101}', "logit_bias.5", "decimal_above_max_value"),
    Wrong("logit_bias", "[]", "logit_bias", "invalid_type"),
    Wrong("stream_options", '{"include_usage":true}', "stream_options", "invalid_value"),
    Wrong("stream_options", "5", "stream_options", "invalid_type"),
    Wrong("top_logprobs", "2", "top_logprobs", "invalid_value"),
    Wrong("response_format", "5", "response_format", "invalid_type"),
    Wrong("response_format", '{"type":"yaml"}', "response_format.type", "invalid_value"),
    Wrong("response_format", '{"type":"json_schema"}', "response_format.json_schema", "missing_required_parameter"),
    Wrong(
        "response_format",
        '{"type":"json_schema","json_schema":{"name":"x","schema":' + '{"a":' * 400 + "1" + "}" * 402,
        "response_format.json_schema.schema",
        "invalid_value",
    ),
    Wrong(
        "response_format",
        '{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}',
        "response_format.json_schema.name",
        "invalid_value",
    ),
    Wrong("structured_outputs", '{"regex":"a","choice":["a"]}', "structured_outputs", "invalid_value"),
    Wrong("structured_outputs", "{}", "structured_outputs", "invalid_value"),
    Wrong("logit_bias", '{"x":1}', "logit_bias.x", "invalid_value"),
    Wrong("prompt_logprobs", "21", "prompt_logprobs", "integer_above_max_value"),
    Wrong("priority", "-1", "priority", "integer_below_min_value"),
    Wrong("reasoning_effort", '"huge"', "reasoning_effort", "invalid_value"),
    Wrong("reasoning_effort", '"high"', "reasoning_effort", "unsupported_parameter"),
    Wrong("documents", '[{"text":"x"}]', "documents", "unsupported_parameter"),
    Wrong("chat_template_kwargs", '{"messages":[]}', "chat_template_kwargs.messages", "unsupported_parameter"),
    Wrong("truncate_prompt_tokens", "0", "truncate_prompt_tokens", "invalid_value"),
    Wrong("truncate_prompt_tokens", "129", "truncate_prompt_tokens", "invalid_value"),
    Wrong("logprob_token_ids", "[1]", "logprob_token_ids", "invalid_value"),
    Wrong("stop", '""', "stop", "empty_string"),
]

NOT_JSON = [
    '{"model":',
    "",
    "not json",
    '{"model":"m"}}',
    "{'model': 'm'}",
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":-Infinity}',
    '{"a":1e999}',
    '{"a":%s}' % ("9" * 5000),
    '{"a":"\\ud800"}',
    '{"\\udfff":1}',
    '{"a":"tab\there"}',
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "\ufeff{}",
]


def embedding(**changes: Any) -> dict[str, Any]:
    return {"model": EMBEDDING_MODEL, "input": "x", **changes}


def everything(path: str, **changes: Any) -> dict[str, Any]:
    """What every endpoint needs at once; embeddings refuse `messages`."""
    body = {**chat(), "prompt": "x", "input": "x", **changes}
    if path == "/v1/embeddings":
        del body["messages"]
    return body


def body_with(field: str, value: str) -> str:
    fields = {name: json.dumps(given) for name, given in chat().items()} | {field: value}
    return "{" + ",".join(f'"{name}":{text}' for name, text in fields.items()) + "}"


@pytest.mark.parametrize("wrong", [*NUMBERS, *OTHERS], ids=lambda wrong: f"{wrong.field}={wrong.value[:40]}")
def test_wrong_value_is_named(client: httpx.Client, triton: FakeTriton, wrong: Wrong) -> None:
    """The field by its path and the code that OpenAI gives; Triton is not troubled."""
    response = client.post("/v1/chat/completions", content=body_with(wrong.field, wrong.value))
    assert_refused(response, wrong.param, wrong.code)
    assert triton.calls == []


@pytest.mark.parametrize("content", NOT_JSON, ids=lambda content: repr(content[:30]))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
def test_what_is_not_json_is_refused(client: httpx.Client, path: str, content: str) -> None:
    """To the letter of the standard, at any depth: 400 and no field."""
    response = client.post(path, content=content.encode(), headers={"content-type": "application/json"})
    assert_refused(response, None, None)


@pytest.mark.parametrize("content", ["null", "[]", '"x"', "5", "true", "[1,2]"])
def test_body_must_be_an_object(client: httpx.Client, content: str) -> None:
    """Other JSON is no request."""
    assert_refused(client.post("/v1/chat/completions", content=content), None, None)


@pytest.mark.parametrize("bytes_", [b"\xff\xfe{\x00}\x00", b'{"a":"\xff"}', b"\x00", b'{"a":"\xed\xa0\x80"}'])
def test_body_must_be_utf8(client: httpx.Client, bytes_: bytes) -> None:
    """And a refusal must be UTF-8 itself."""
    assert_refused(client.post("/v1/chat/completions", content=bytes_), None, None)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/chat/completions", "messages"),
        ("/v1/chat/completions", "model"),
        ("/v1/completions", "model"),
        ("/v1/embeddings", "input"),
        ("/v1/embeddings", "model"),
        ("/v1/moderations", "input"),
    ],
)
def test_missing_field_is_named(client: httpx.Client, path: str, field: str) -> None:
    """What an endpoint can't do without."""
    body = everything(path)
    del body[field]
    response = client.post(path, json=body)
    assert_refused(response, field, "missing_required_parameter")
    assert said(response)["message"] == f"Missing required parameter: '{field}'."


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("/v1/completions", completion(prompt=[]), "prompt", "empty_array"),
        ("/v1/completions", completion(prompt=""), "prompt", "invalid_value"),
        ("/v1/completions", completion(prompt=["a", 5]), "prompt[1]", "invalid_type"),
        ("/v1/completions", completion(prompt=[1, "a"]), "prompt[1]", "invalid_type"),
        ("/v1/completions", completion(prompt=[True]), "prompt[0]", "invalid_type"),
        ("/v1/completions", completion(prompt=[-1]), "prompt[0]", "integer_below_min_value"),
        ("/v1/completions", completion(prompt=[2**31]), "prompt[0]", "integer_above_max_value"),
        ("/v1/completions", completion(prompt=[999]), "prompt", "invalid_value"),
        ("/v1/completions", completion(prompt=[[1], []]), "prompt[1]", "empty_array"),
        ("/v1/completions", completion(prompt={}), "prompt", "invalid_type"),
        ("/v1/completions", completion(prompt=["a"] * 65, n=2), "prompt", "invalid_value"),
        ("/v1/completions", completion(best_of=2, stream=True), "best_of", "invalid_value"),
        ("/v1/completions", completion(best_of=2, n=3), "best_of", "invalid_value"),
        ("/v1/completions", completion(logprobs=21), "logprobs", "integer_above_max_value"),
        ("/v1/completions", completion(max_tokens=129), "prompt", "context_length_exceeded"),
        ("/v1/completions", completion(prompt="x" * 128), "prompt", "context_length_exceeded"),
        ("/v1/chat/completions", chat(max_tokens=10**6), "messages", "context_length_exceeded"),
        ("/v1/embeddings", embedding(input=""), "input", "empty_string"),
        ("/v1/embeddings", embedding(input=[]), "input", "empty_array"),
        ("/v1/embeddings", embedding(input=["a", ""]), "input[1]", "empty_string"),
        ("/v1/embeddings", embedding(input=[[]]), "input[0]", "empty_array"),
        ("/v1/embeddings", embedding(input=["a"] * 2049), "input", "array_above_max_length"),
        ("/v1/embeddings", embedding(input="x" * 33), "input", "context_length_exceeded"),
        ("/v1/embeddings", embedding(input="x", dimensions=3), "dimensions", "invalid_value"),
        ("/v1/embeddings", embedding(dimensions=0), "dimensions", "integer_below_min_value"),
        ("/v1/embeddings", embedding(encoding_format="hex"), "encoding_format", "invalid_value"),
        ("/v1/chat/completions", said_in({"type": "text_file", "text": "x"}), f"{PART}.type", "invalid_value"),
        ("/v1/chat/completions", said_in({"type": "file", "text": ["x"]}), f"{PART}.type", "invalid_value"),
        ("/v1/chat/completions", said_in({"text": "x"}), f"{PART}.type", "missing_required_parameter"),
        ("/v1/chat/completions", said_in({"type": "text", "text": 5}), f"{PART}.text", "invalid_type"),
        ("/v1/chat/completions", said_in({"type": "image_url", "image_url": {}}), f"{PART}.image_url.url",
         "missing_required_parameter"),
        ("/v1/moderations", {"input": []}, "input", "empty_array"),
        ("/v1/moderations", {"input": 5}, "input", "invalid_type"),
        ("/v1/moderations", {"input": [{"type": "image_url"}]}, "input[0].type", "invalid_value"),
        ("/v1/moderations", {"input": "x" * 33, "model": MODERATION_MODEL}, "input", "context_length_exceeded"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_request_is_refused(client: httpx.Client, path: str, body: Any, param: str, code: str) -> None:
    """Endpoint by endpoint."""
    assert_refused(client.post(path, json=body), param, code)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/chat/completions", name) for name in ChatCompletionRequest.refused]
    + [("/v1/completions", name) for name in CompletionRequest.refused]
    + [("/v1/embeddings", "padding")],
)
def test_unsupported_field_is_refused_by_name(client: httpx.Client, path: str, name: str) -> None:
    """What would change the answer and can't be honoured is never ignored; null asks for nothing."""
    body = everything(path)
    response = client.post(path, json={**body, name: {"some": "value"}})
    assert_refused(response, name, "unsupported_parameter")
    assert name in said(response)["message"]
    if path != "/v1/embeddings":
        assert client.post(path, json={**body, name: None}).status_code == 200


@pytest.mark.parametrize(
    "harmless",
    [
        {"tool_choice": "none"},
        {"modalities": ["text"]},
        {"echo": False},
        {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "some_new_hint": [1]},
        {"user": "u", "n": None, "stop": None, "temperature": None, "top_p": 0, "seed": -1},
        {"temperature": 0, "logit_bias": {"5": 1}, "stop": "x"},
    ],
)
def test_harmless_field_is_taken(client: httpx.Client, harmless: dict[str, Any]) -> None:
    """Defaults spelled out, OpenAI's newer hints, and nulls."""
    assert client.post("/v1/chat/completions", json=chat(**harmless)).status_code == 200


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "nobody"),
        ("/v1/chat/completions", EMBEDDING_MODEL),
        ("/v1/completions", "a/b/../c"),
        ("/v1/embeddings", "toy-chat"),
        ("/v1/moderations", "omni-moderation-latest"),
        ("/v1/chat/completions", "assets"),
        ("/v1/chat/completions", "stranger"),
    ],
)
def test_unknown_model_is_not_found(client: httpx.Client, path: str, model: str) -> None:
    """Also one that another endpoint serves, and the helpers that none does."""
    response = client.post(path, json=everything(path, model=model))
    error = said(response)
    assert response.status_code == 404
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, "model_not_found")
    assert f"The model `{model}` does not exist" in error["message"]


def test_long_values_are_not_echoed(client: httpx.Client) -> None:
    """A message shows no more of a value than helps."""
    response = client.post("/v1/chat/completions", json=chat(messages=[{"role": "x" * 100_000, "content": ""}]))
    assert response.status_code == 400
    assert len(response.content) < 1000
