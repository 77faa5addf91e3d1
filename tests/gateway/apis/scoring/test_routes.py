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


def test_documents_are_scored(pooling_url: str, pooling_triton: FakeTriton) -> None:
    """The toy's score is a document's length; one query for all of them travels as one request, by either name."""
    for path, names in (("/score", ("text_1", "text_2")), ("/v1/score", ("queries", "documents"))):
        body = dict(zip(names, ("q", ["a", "bcd"]), strict=True))
        answer = post(pooling_url, path, model=RERANKER, **body).json()
        assert [(data["index"], data["score"]) for data in answer["data"]] == [(0, 1.0), (1, 3.0)]
        assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert [envelope["documents"] for envelope in pooling_triton.pooled] == [["a", "bcd"]] * 2


def test_each_query_may_have_its_document(pooling_url: str, pooling_triton: FakeTriton) -> None:
    """As many of the one as of the other, and their usage together."""
    answer = post(pooling_url, "/score", model=EMBEDDER, queries=["q", "r"], documents=["a", "bcd"]).json()
    assert [data["score"] for data in answer["data"]] == [1.0, 3.0]
    assert answer["usage"]["total_tokens"] == 10
    assert sorted(envelope["query"] for envelope in pooling_triton.pooled) == ["q", "r"]
    refused = post(pooling_url, "/score", model=EMBEDDER, queries=["q", "r"], documents=["a"])
    assert error(refused) == (400, "queries", "invalid_value")


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_documents_are_ranked(pooling_url: str, path: str) -> None:
    """Best first, each with its place in the request and, unless unwanted, its text."""
    body = {"model": RERANKER, "query": "q", "documents": ["a", {"text": "bcd"}, "ef"]}
    results = post(pooling_url, path, **body).json()["results"]
    assert [(result["index"], result["relevance_score"]) for result in results] == [(1, 3.0), (2, 2.0), (0, 1.0)]
    assert results[0]["document"] == {"text": "bcd"}
    [best] = post(pooling_url, path, **body, top_n=1, return_documents=False).json()["results"]
    assert best == {"index": 1, "relevance_score": 3.0}


def test_texts_are_classified(pooling_url: str) -> None:
    """With the names that the model's configuration gives its classes."""
    [rude, kind] = post(pooling_url, "/classify", model=RERANKER, input=["&", "kind"]).json()["data"]
    assert (rude["label"], rude["probs"], rude["num_classes"]) == ("yes", [0.75, 0.25], 2)
    assert kind["label"] == "no"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/score", {"model": EMBEDDER, "queries": "q"}, (400, "documents", "missing_required_parameter")),
        ("/rerank", {"model": EMBEDDER, "query": "q", "documents": []}, (400, "documents", "empty_array")),
        ("/rerank", {"model": EMBEDDER, "query": "q", "documents": [""]}, (400, "documents[0]", "empty_string")),
        ("/rerank", {"model": RERANKER, "query": "q", "documents": ["d"], "truncate_prompt_tokens": -1}, None),
        ("/score", {"model": RERANKER, "queries": "q", "documents": "d", "truncate_prompt_tokens": 5}, None),
        ("/classify", {"model": EMBEDDER, "input": "a"}, (404, None, "model_not_found")),
        ("/score", {"model": CHAT_MODEL, "queries": "q", "documents": "d"}, (404, None, "model_not_found")),
    ],
)
def test_what_cannot_be_pooled_is_refused(
    pooling_url: str, path: str, body: dict[str, Any], expected: tuple[int, str | None, str] | None
) -> None:
    """The field is named."""
    refused = error(post(pooling_url, path, **body))
    assert refused == (expected or (400, "truncate_prompt_tokens", "unsupported_parameter"))
