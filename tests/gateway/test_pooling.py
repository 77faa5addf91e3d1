"""Models that pool on vLLM, over HTTP: the endpoints, and what of them reaches the backend."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import running_gateway
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, POOLING_MODELS, FakeTriton

EMBEDDER, RERANKER = POOLING_MODELS


@pytest.fixture(scope="module")
def _pooling_triton() -> Generator[FakeTriton, None, None]:
    with FakeTriton() as triton:
        triton.ready = [CHAT_MODEL, EMBEDDER, RERANKER]
        yield triton


@pytest.fixture(scope="module")
def pooling_url(_pooling_triton: FakeTriton) -> Generator[str, None, None]:
    with running_gateway(triton_urls=(_pooling_triton.address,), **PROBED_ONCE) as gateway:
        gateway.wait_ready()  # each of them has been probed
        yield gateway.url


@pytest.fixture
def pooling_triton(_pooling_triton: FakeTriton) -> FakeTriton:
    _pooling_triton.pooled.clear()
    return _pooling_triton


def post(url: str, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}{path}", json=body)


def error(response: httpx.Response) -> tuple[int, str | None, str | None]:
    body = response.json()["error"]
    return response.status_code, body["param"], body["code"]


def test_sdk_reads_vectors(pooling_url: str, pooling_triton: FakeTriton) -> None:
    """Texts and token ids, as floats and base64; all inputs in one request to the backend."""
    sdk = openai.OpenAI(base_url=f"{pooling_url}/v1", api_key="any", _strict_response_validation=True)
    answer = sdk.embeddings.create(model=EMBEDDER, input=[[5, 6], [7]], encoding_format="float")
    assert [data.embedding for data in answer.data] == [[11.0, 2.0], [7.0, 1.0]]
    assert answer.usage.prompt_tokens == 3
    [envelope] = pooling_triton.pooled
    assert (envelope["op"], envelope["lengths"]) == ("embed", [2, 1])
    packed = post(pooling_url, "/v1/embeddings", model=EMBEDDER, input=["a", "b"], encoding_format="base64").json()[
        "data"
    ]
    floats = post(pooling_url, "/v1/embeddings", model=EMBEDDER, input=["a", "b"]).json()["data"]
    assert [np.frombuffer(base64.b64decode(data["embedding"]), "<f4").tolist() for data in packed] == [
        data["embedding"] for data in floats
    ]


def test_dimensions_are_the_models_to_judge(pooling_url: str, pooling_triton: FakeTriton) -> None:
    """What it can cut its vectors to it cuts; what it can't is refused by name."""
    cut = post(pooling_url, "/v1/embeddings", model=EMBEDDER, input=[[5, 6]], dimensions=1).json()
    assert cut["data"][0]["embedding"] == [11.0]
    assert error(post(pooling_url, "/v1/embeddings", model=EMBEDDER, input="a", dimensions=3)) == (
        400,
        "dimensions",
        None,
    )


def test_input_longer_than_the_context_is_refused_here(pooling_url: str, pooling_triton: FakeTriton) -> None:
    """The backend hears nothing of it."""
    refused = post(pooling_url, "/v1/embeddings", model=EMBEDDER, input=[[5] * (CONTEXT_LENGTH + 1)])
    assert error(refused) == (400, "input", "context_length_exceeded")
    assert not pooling_triton.pooled


@pytest.mark.parametrize(
    ("path", "model", "body"),
    [
        ("/v1/embeddings", RERANKER, {"input": "a"}),
        ("/v1/embeddings", CHAT_MODEL, {"input": "a"}),
        ("/v1/completions", EMBEDDER, {"prompt": "a"}),
        ("/v1/moderations", EMBEDDER, {"input": "a"}),
    ],
)
def test_model_is_found_only_where_it_is_of_use(pooling_url: str, path: str, model: str, body: dict[str, Any]) -> None:
    """A model of another kind does not exist there."""
    assert error(post(pooling_url, path, model=model, **body)) == (404, None, "model_not_found")
