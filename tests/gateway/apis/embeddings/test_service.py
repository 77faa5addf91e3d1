"""Vectors as a client gets them: their place, their encoding, and what they cost."""

from __future__ import annotations

import base64
import struct
from typing import Any

import httpx
import pytest

from tests.fakes.triton import CHAT_MODEL, EMBEDDING_LIMIT, EMBEDDING_MODEL, FakeTriton

PATH = "/v1/embeddings"


def answer(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"model": EMBEDDING_MODEL, "input": [[5, 6], [7]], **fields})


def test_body_is_openais(client: httpx.Client) -> None:
    """A vector for each input in order; the toy gives the sum and the number of the ids."""
    assert answer(client).json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [11.0, 2.0]},
            {"object": "embedding", "index": 1, "embedding": [7.0, 1.0]},
        ],
        "model": EMBEDDING_MODEL,
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def test_base64_is_little_endian_float32(client: httpx.Client) -> None:
    """As the official SDK reads it."""
    first, _ = answer(client, encoding_format="base64").json()["data"]
    assert struct.unpack("<2f", base64.b64decode(first["embedding"])) == (11.0, 2.0)


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": CHAT_MODEL}, 404, None, "model_not_found"),
        ({"model": "nobody"}, 404, None, "model_not_found"),
        ({"input": [[258]]}, 400, "input", "invalid_value"),
        ({"input": [[5] * (EMBEDDING_LIMIT + 1)]}, 400, "input", "context_length_exceeded"),
        ({"dimensions": 3}, 400, "dimensions", "invalid_value"),
    ],
    ids=["kind", "model", "ids", "length", "width"],
)
def test_refusal_names_the_field(
    client: httpx.Client, triton: FakeTriton, fields: dict[str, Any], status: int, param: str | None, code: str
) -> None:
    """Triton is asked only where the answer is what tells."""
    error = answer(client, **fields)
    assert (error.status_code, error.json()["error"]["param"], error.json()["error"]["code"]) == (status, param, code)
    assert bool(triton.inferred) is ("dimensions" in fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"embed_dtype": "float16"}, struct.pack("<2e", 11, 2)),
        ({"embed_dtype": "float16", "endianness": "big"}, struct.pack(">2e", 11, 2)),
        ({"endianness": "big"}, struct.pack(">2f", 11, 2)),
        ({"embed_dtype": "fp8_e5m2"}, bytes([0x4A, 0x40])),
    ],
)
def test_base64_has_the_type_and_byte_order_asked_for(
    client: httpx.Client, fields: dict[str, Any], expected: bytes
) -> None:
    """With `float` they change nothing, as in vLLM."""
    first, _ = answer(client, encoding_format="base64", **fields).json()["data"]
    assert base64.b64decode(first["embedding"]) == expected
    assert answer(client, **fields).json()["data"][0]["embedding"] == [11.0, 2.0]


def test_inputs_are_cut(client: httpx.Client) -> None:
    """-1, which vLLM's bench client sends, cuts to what the model takes; the usage is what is left."""
    body = answer(client, input=[[5] * (EMBEDDING_LIMIT + 9)], truncate_prompt_tokens=-1).json()
    assert (body["data"][0]["embedding"][1], body["usage"]["prompt_tokens"]) == (EMBEDDING_LIMIT, EMBEDDING_LIMIT)
    [data] = answer(client, input=[[5, 6, 7]], truncate_prompt_tokens=2, truncation_side="left").json()["data"]
    assert data["embedding"] == [13.0, 2.0]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("use_activation", True, "unsupported_parameter"),
        ("use_activation", False, "unsupported_parameter"),
        ("normalize", False, "unsupported_parameter"),
        ("padding", "max_length", "unsupported_parameter"),
        ("truncate_prompt_tokens", 0, "invalid_value"),
        ("truncate_prompt_tokens", EMBEDDING_LIMIT + 1, "invalid_value"),
    ],
)
def test_what_a_pytorch_model_cannot_do_is_refused(
    client: httpx.Client, triton: FakeTriton, field: str, value: object, code: str
) -> None:
    """Its vectors are what its module gives."""
    error = answer(client, **{field: value})
    assert (error.status_code, error.json()["error"]["param"], error.json()["error"]["code"]) == (400, field, code)
    assert not triton.inferred
