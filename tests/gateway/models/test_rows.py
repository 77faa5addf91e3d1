"""Models that make rows: how long an input may be, and what a probe asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import pytest

from gateway.errors import ContextLengthExceeded
from gateway.models.rows import RowsModel
from gateway.models.served import PROBE_TEXT, ModelSource
from gateway.pooling import Op, PoolingRequest, Rows
from gateway.triton.client import TritonClient
from tests.fakes.models import TOKENIZER

NOBODY = cast("TritonClient", object())
asked: list[PoolingRequest] = []


@dataclass(frozen=True, slots=True)
class ToyRows(RowsModel):
    """Can what it is made for; notes what it is asked."""

    can: frozenset[Op]
    longest: int = 0

    @classmethod
    def load(cls, source: ModelSource) -> Self:
        return cls("toy", source.created, source.tokenizer(), frozenset({"embed"}))

    @property
    def ops(self) -> frozenset[Op]:
        return self.can

    @property
    def max_model_len(self) -> int:
        return self.longest

    async def pool(self, client: TritonClient, request: PoolingRequest, *, timeout_s: float) -> Rows:
        assert client is NOBODY
        asked.append(request)
        return Rows(np.zeros((request.rows, 1), np.float32), request.tokens)


def toy(*ops: Op, longest: int = 0) -> ToyRows:
    return ToyRows("toy", 1, TOKENIZER, frozenset(ops), longest)


@pytest.mark.parametrize(("longest", "tokens"), [(4, 4), (4, 1), (0, 1000)])
def test_input_may_be_as_long_as_the_model(longest: int, tokens: int) -> None:
    """Where nobody knows how long that is, it is for the model to judge."""
    toy("embed", longest=longest).check(PoolingRequest("embed", [[5], [5] * tokens]))


def test_longer_input_is_refused() -> None:
    """By the longest of all; texts are for the backend to measure."""
    model = toy("score", longest=4)
    with pytest.raises(ContextLengthExceeded) as caught:
        model.check(PoolingRequest("embed", [[5], [5] * 6, [5] * 5]))
    assert caught.value.param == "input"
    assert "resulted in 6 tokens" in caught.value.message
    model.check(PoolingRequest("score", query="q" * 99, documents=["d" * 99]))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ops", "op"),
    [
        (("embed", "score"), "embed"),
        (("classify", "score"), "classify"),
        (("moderate",), "moderate"),
        (("score",), "classify"),
    ],
)
async def test_probe_asks_for_what_it_can(ops: tuple[Op, ...], op: Op) -> None:
    """One short text; a model that scores can classify, which takes no pairs."""
    asked.clear()
    await toy(*ops).probe(NOBODY, timeout_s=1)
    [request] = asked
    assert (request.op, request.rows) == (op, 1)
    assert TOKENIZER.decode(request.token_ids[0]) == PROBE_TEXT


def test_rows_are_taken_as_they_are() -> None:
    """A kind that knows better says so; the tokeniser is the gateway's."""
    model = toy("embed")
    model.check_rows(PoolingRequest("embed", [[5]], dimensions=7), Rows(np.zeros((1, 2), np.float32), 1))
    assert model.known_tokenizer is TOKENIZER
