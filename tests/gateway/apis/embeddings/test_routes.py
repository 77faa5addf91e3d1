"""`/v1/embeddings` as the official SDK and a plain client see it."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import openai

from tests.fakes.triton import EMBEDDING_MODEL


def test_embeddings_come_in_both_encodings(sdk: openai.OpenAI, client: httpx.Client) -> None:
    """The SDK asks for base64 of its own accord (which its strict types do not know) and gives floats."""
    texts = ["a", "bc" * 8, "d"]
    floats = sdk.embeddings.create(model=EMBEDDING_MODEL, input=texts, encoding_format="float")
    body = client.post("/v1/embeddings", json={"model": EMBEDDING_MODEL, "input": texts, "encoding_format": "base64"})
    for index, (plain, packed) in enumerate(zip(floats.data, body.json()["data"], strict=True)):
        assert plain.index == packed["index"] == index
        assert np.frombuffer(base64.b64decode(packed["embedding"]), "<f4").tolist() == plain.embedding
    assert floats.usage.prompt_tokens == 18
    lenient = sdk.with_options(_extra_kwargs={"_strict_response_validation": False})
    assert lenient.embeddings.create(model=EMBEDDING_MODEL, input=texts).data[1].embedding == floats.data[1].embedding


def test_embeddings_take_tokens(sdk: openai.OpenAI) -> None:
    """The toy model gives the sum and the number of the ids."""
    answer = sdk.embeddings.create(model=EMBEDDING_MODEL, input=[[5, 6], [7]], encoding_format="float", dimensions=2)
    assert [data.embedding for data in answer.data] == [[11.0, 2.0], [7.0, 1.0]]
