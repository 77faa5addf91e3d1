"""Values of pooling: what is asked for, in numbers."""

from __future__ import annotations

import pytest

from gateway.pooling import PoolingRequest


@pytest.mark.parametrize(
    ("request_", "rows", "tokens", "longest"),
    [
        (PoolingRequest("embed", [[5, 6], [7]]), 2, 3, 2),
        (PoolingRequest("classify", []), 0, 0, 0),
        (PoolingRequest("score", query="q", documents=["a", "b", "c"]), 3, 0, 0),
        (PoolingRequest("score", query="", documents=["a"]), 1, 0, 0),
    ],
    ids=["ids", "nothing", "texts", "empty query"],
)
def test_request_knows_its_size(request_: PoolingRequest, rows: int, tokens: int, longest: int) -> None:
    """A row an input or a document; the tokens of texts are for the backend to count."""
    assert (request_.rows, request_.tokens, request_.longest) == (rows, tokens, longest)
