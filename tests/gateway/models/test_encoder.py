"""PyTorch models: inputs in, rows and a count of tokens out."""

from __future__ import annotations

import pytest

from gateway.models.embedding import EmbeddingModel
from gateway.pooling import PoolingRequest
from tests.fakes.models import TOKENIZER
from tests.fakes.triton import EMBEDDING_LIMIT, EMBEDDING_MODEL
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


async def test_inputs_become_rows(pair: Pair) -> None:
    """In order, in as many requests as the model's batches need; what is counted is without the padding."""
    model = EmbeddingModel(EMBEDDING_MODEL, 1, TOKENIZER, max_tokens=EMBEDDING_LIMIT, max_batch_size=2)
    inputs = [[number] * number for number in (3, 1, 2)]
    rows = await model.pool(pair.clients[0], PoolingRequest("embed", inputs), timeout_s=5)
    assert rows.values.tolist() == [[9.0, 3.0], [1.0, 1.0], [4.0, 2.0]]
    assert rows.tokens == 6
    assert sorted(shape[0] for _, shape in pair.tritons[0].inferred) == [1, 2]


async def test_longest_input_is_its_configurations(pair: Pair) -> None:
    """0 where that says nothing; it has a tokeniser here."""
    model = EmbeddingModel(EMBEDDING_MODEL, 1, TOKENIZER, max_tokens=7, max_batch_size=2)
    assert (model.max_model_len, model.known_tokenizer, model.known_template) == (7, TOKENIZER, None)
