"""Tokens of prompts and conversations, and back: the toy tokeniser makes an id of every byte."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import running_gateway
from tests.fakes.openai import chat
from tests.fakes.tokenizer import toy_tokenizer
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, EMBEDDING_LIMIT, EMBEDDING_MODEL, FakeTriton

PATHS = ("", "/v1")
WE = {"role": "assistant", "content": "We"}
HI: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]


def ids(text: str) -> list[int]:
    return toy_tokenizer().encode(text, add_special_tokens=False).ids


def tokenize(client: httpx.Client, prefix: str = "", **body: Any) -> httpx.Response:
    return client.post(f"{prefix}/tokenize", json={"model": CHAT_MODEL, **body})


@pytest.mark.parametrize("prefix", PATHS)
def test_prompt_is_tokenized(client: httpx.Client, prefix: str) -> None:
    """In vLLM's shape, with the tokens as the vocabulary has them when asked for."""
    response = tokenize(client, prefix, prompt="a é")
    assert response.json() == {
        "count": 4,
        "max_model_len": CONTEXT_LENGTH,
        "tokens": ids("a é"),
        "token_strs": None,
    }
    assert tokenize(client, prefix, prompt="a é", return_token_strs=True).json()["token_strs"] == ["a", "Ġ", "Ã", "©"]
    assert tokenize(client, prefix, prompt="").json()["tokens"] == []


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ({}, "<user>Hi</s><assistant>"),
        ({"add_generation_prompt": False}, "<user>Hi</s>"),
        ({"continue_final_message": True}, "<user>Hi"),
        ({"messages": [*HI, WE], "continue_final_message": True}, "<user>Hi</s><assistant>We"),
        (
            {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be"}]}]},
            "<system>Be</s><assistant>",
        ),
    ],
    ids=["asks", "asks not", "goes on", "goes on behind", "parts"],
)
def test_conversation_is_tokenized(client: httpx.Client, body: dict[str, Any], prompt: str) -> None:
    """By the chat template."""
    response = tokenize(client, **{"messages": HI, **body})
    assert response.json()["tokens"] == ids(prompt), response.text


@pytest.mark.parametrize("change", [{}, {"add_special_tokens": True}, {"continue_final_message": True}], ids=str)
def test_tokens_are_those_of_a_chat(client: httpx.Client, triton: FakeTriton, change: dict[str, Any]) -> None:
    """To the last: that is what it is asked for."""
    tokens = tokenize(client, messages=HI, **change).json()["tokens"]
    assert client.post("/v1/chat/completions", json=chat(**change)).status_code == 200
    assert triton.calls[-1].token_ids == tokens


def test_tokens_are_those_of_a_completion(client: httpx.Client, triton: FakeTriton) -> None:
    """Likewise."""
    tokens = tokenize(client, prompt="Hi").json()["tokens"]
    assert client.post("/v1/completions", json={"model": CHAT_MODEL, "prompt": "Hi"}).status_code == 200
    assert triton.calls[-1].token_ids == tokens


def test_images_have_no_tokens_here(client: httpx.Client) -> None:
    """They are not left out in silence."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    refused = tokenize(client, messages=[{"role": "user", "content": [image]}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_value")


def test_every_model_is_tokenized(client: httpx.Client) -> None:
    """Also one that makes vectors; it does not chat."""
    response = tokenize(client, model=EMBEDDING_MODEL, prompt="ab")
    assert (response.json()["count"], response.json()["max_model_len"]) == (2, EMBEDDING_LIMIT)
    refused = tokenize(client, model=EMBEDDING_MODEL, messages=HI)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "messages")


@pytest.mark.parametrize("text", ["", "Hello", "é🙂\n", "</s><s>", "x" * 5000])
@pytest.mark.parametrize("prefix", PATHS)
def test_text_comes_back(client: httpx.Client, prefix: str, text: str) -> None:
    """Special tokens too; however long."""
    tokens = tokenize(client, prompt=text, return_token_strs=True).json()["tokens"]
    response = client.post(f"{prefix}/detokenize", json={"model": CHAT_MODEL, "tokens": tokens})
    assert response.json() == {"prompt": text}


SNEAKY = {"chat_template_kwargs": {"messages": []}}
BOTH_WAYS = {"continue_final_message": True, "add_generation_prompt": True}


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("/tokenize", {}, "prompt", "invalid_value"),
        ("/tokenize", {"prompt": "a", "messages": HI}, "prompt", "invalid_value"),
        ("/tokenize", {"prompt": ["a"]}, "prompt", "invalid_type"),
        ("/tokenize", {"prompt": "a", "model": None}, "model", "invalid_type"),
        ("/tokenize", {"messages": []}, "messages", "empty_array"),
        ("/tokenize", {"messages": HI, "chat_template": "x"}, "chat_template", "unsupported_parameter"),
        ("/tokenize", {"messages": HI, **SNEAKY}, "chat_template_kwargs.messages", "unsupported_parameter"),
        ("/tokenize", {"messages": HI, **BOTH_WAYS}, "add_generation_prompt", "invalid_value"),
        ("/detokenize", {}, "tokens", "missing_required_parameter"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]", "integer_below_min_value"),
        ("/detokenize", {"tokens": [0, 258]}, "tokens", "invalid_value"),
        ("/detokenize", {"tokens": [2**63]}, "tokens[0]", "integer_above_max_value"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]", "invalid_type"),
    ],
)
def test_mistake_is_named(client: httpx.Client, path: str, body: dict[str, Any], param: str, code: str) -> None:
    """As at the other endpoints."""
    response = client.post(path, json={"model": CHAT_MODEL, **body})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code), error


def test_keys_and_limits_hold(triton: FakeTriton) -> None:
    """A model that the key may not use is none, and each is a request."""
    keys = [
        {"name": "other", "key": "sk-other", "models": [EMBEDDING_MODEL]},
        {"name": "once", "key": "sk-once", "requests_per_minute": 1},
    ]
    with running_gateway(triton_urls=(triton.address,), keys=keys, **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        for path, body in (("/tokenize", {"prompt": "a"}), ("/v1/detokenize", {"tokens": [5]})):
            asked = {"model": CHAT_MODEL, **body}
            assert httpx.post(gateway.url + path, json=asked).status_code == 401
            other = httpx.post(gateway.url + path, json=asked, headers={"authorization": "Bearer sk-other"})
            assert other.json()["error"]["code"] == "model_not_found"
        statuses = [
            httpx.post(
                gateway.url + "/tokenize", json={"model": CHAT_MODEL, "prompt": "a"}, headers=headers
            ).status_code
            for headers in [{"authorization": "Bearer sk-once"}] * 2
        ]
    assert statuses == [200, 429]
