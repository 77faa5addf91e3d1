"""Pooling models on vLLM: what their description and configuration say of them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.models.pooling import PoolingModel, class_names
from gateway.pooling import PoolingRequest
from tests.fakes.models import TOKENIZER, TOKENIZER_JSON, source
from tests.fakes.triton import CONTEXT_LENGTH, POOLING_MODELS
from tests.gateway.conftest import Pair


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"id2label": {"1": "no", "0": "yes"}}, ("yes", "no")),
        ({"id2label": {"0": 5}}, ("5",)),
        ({"id2label": {"1": "no", "2": "yes"}}, ()),
        ({"id2label": None}, ()),
        ({}, ()),
    ],
)
def test_classes_are_named_in_order(config: dict[str, Any], names: tuple[str, ...]) -> None:
    """Not at all where the ids are not those of the classes."""
    assert class_names(orjson.dumps(config)) == names


def test_model_is_its_description() -> None:
    """Tasks that have no endpoint here are passed over."""
    description = {"context_length": 64, "tasks": ["classify", "score", "token_embed"]}
    config = orjson.dumps({"id2label": {"0": "yes", "1": "no"}})
    model = PoolingModel.load(source(description, {"tokenizer.json": TOKENIZER_JSON, "config.json": config}))
    assert (model.max_model_len, model.ops, model.labels) == (64, {"classify", "score"}, ("yes", "no"))
    assert PoolingModel.load(source(description)).labels == ()


@pytest.mark.anyio
async def test_model_is_asked_by_name(pair: Pair) -> None:
    """For what the request says."""
    reranker = list(POOLING_MODELS)[1]
    model = PoolingModel(reranker, 1, TOKENIZER, CONTEXT_LENGTH, frozenset({"score"}))
    pair.tritons[0].pooled.clear()
    rows = await model.pool(pair.clients[0], PoolingRequest("score", query="q", documents=["a", "bc"]), timeout_s=5)
    assert (rows.values.tolist(), rows.tokens) == ([[1.0], [2.0]], 5)
    [envelope] = pair.tritons[0].pooled
    assert (envelope["op"], envelope["query"], envelope["documents"]) == ("score", "q", ["a", "bc"])
