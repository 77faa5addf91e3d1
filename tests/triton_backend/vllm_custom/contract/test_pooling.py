"""What is made of vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.pooling import cosines

numbers = st.floats(-100, 100, width=32).filter(lambda number: number == 0 or abs(number) > 1e-3)
vectors = st.lists(numbers, min_size=3, max_size=3)


@given(vectors, st.lists(vectors, min_size=1, max_size=5))
def test_cosines_are_cosines(query, documents):
    """One number a document, between -1 and 1 whatever the lengths."""
    scores = cosines(np.array(query, np.float32), np.array(documents, np.float32))
    assert scores.shape == (len(documents), 1)
    assert scores.dtype == np.float32
    assert (np.abs(scores) <= 1.001).all()


@pytest.mark.parametrize(
    ("document", "score"), [([2, 0], 1), ([-1, 0], -1), ([0, 3], 0), ([0, 0], 0), ([1, 1], 0.7071068)]
)
def test_cosine_of_known_vectors(document, score):
    """Of the same direction 1, of the opposite one -1; a vector of no length has no direction, and scores 0."""
    scores = cosines(np.array([1, 0], np.float32), np.array([document], np.float32))
    assert scores[0, 0] == pytest.approx(score)
