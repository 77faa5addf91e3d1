"""Embedders: how they are made, and which widths they have."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.errors import BadRequest
from gateway.models.embedding import EmbeddingModel
from gateway.pooling import PoolingRequest, Rows
from gateway.triton.discovery import DiscoveredModel
from tests.fakes.models import source

FOUND = DiscoveredModel("toy-embedding", "embedding", max_batch_size=4, max_tokens=32)


def test_embedder_is_its_configuration() -> None:
    """And a tokeniser; vectors are all that it gives."""
    model = EmbeddingModel.load(source({}, discovered=FOUND))
    assert (model.name, model.max_batch_size, model.max_model_len) == ("toy-embedding", 4, 32)
    assert model.ops == {"embed"}
    assert model.base is model.with_adapter("poet", 1) is None


@pytest.mark.parametrize("dimensions", [None, 3])
def test_its_own_width_may_be_asked_for(dimensions: int | None) -> None:
    """Or none."""
    model = EmbeddingModel.load(source({}, discovered=FOUND))
    model.check_rows(PoolingRequest("embed", [[5]], dimensions), Rows(np.zeros((1, 3), np.float32), 1))


def test_another_width_is_refused() -> None:
    """With the one that there is."""
    model = EmbeddingModel.load(source({}, discovered=FOUND))
    with pytest.raises(BadRequest, match="3 dimensions") as caught:
        model.check_rows(PoolingRequest("embed", [[5]], 2), Rows(np.zeros((1, 3), np.float32), 1))
    assert (caught.value.param, caught.value.code) == ("dimensions", "invalid_value")
