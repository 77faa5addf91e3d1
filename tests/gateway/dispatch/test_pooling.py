"""Requests that make rows: what is checked, what is counted, and that they share a permit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import grpc
import pytest

from gateway import request_record
from gateway.dispatch.pooling import Pooler
from gateway.errors import BadRequest, ContextLengthExceeded, RequestTooLarge, Unavailable
from gateway.limits import callers
from gateway.limits.admission import Admission
from gateway.limits.callers import Caller
from gateway.limits.quota import Bucket, Quota
from gateway.models.embedding import EmbeddingModel
from gateway.pooling import PoolingRequest
from tests.fakes.triton import EMBEDDING_LIMIT, EMBEDDING_MODEL, Abort
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """The tokens of the present caller, at a time that stands still."""
    bucket = Bucket(100, clock=lambda: 0)
    token = callers.caller.set(Caller("ann", quota=Quota(tokens=bucket)))
    yield bucket
    callers.caller.reset(token)


async def embedder(pair: Pair) -> tuple[Pooler, EmbeddingModel]:
    await pair.catalog.refresh()
    model = pair.catalog.making(EMBEDDING_MODEL, "embed")
    return Pooler(pair.catalog, pair.health, timeout_s=5), cast("EmbeddingModel", model)


def admission() -> Admission:
    return Admission(limit=1, queue=0, max_wait_s=1)


async def test_rows_come_back_and_are_counted(pair: Pair, bucket: Bucket) -> None:
    """In the record, on the caller's limit, and as a proof that the model is well."""
    pooler, model = await embedder(pair)
    callers.caller.set(Caller("ann", quota=Quota(tokens=bucket)))
    record = request_record.begin("r")
    with await admission().acquire() as permit:
        rows = await pooler.pool(model, PoolingRequest("embed", [[5, 6], [7]]), permit)
    assert (rows.values.tolist(), rows.tokens) == ([[11.0, 2.0], [7.0, 1.0]], 3)
    assert (record.prompt_tokens, record.completion_tokens) == (3, 0)
    assert bucket.remaining == 97
    assert [health.ready for health in pair.health.report() if health.model == EMBEDDING_MODEL] == [True]


async def test_calls_may_share_a_permit(pair: Pair) -> None:
    """All of a request's work runs under the one that it has."""
    pooler, model = await embedder(pair)
    permits = admission()
    with await permits.acquire() as permit:
        rows = await asyncio.gather(
            *(pooler.pool(model, PoolingRequest("embed", [[number]]), permit) for number in range(2, 9))
        )
        assert permits.in_flight == 1
    assert [each.values[0, 0] for each in rows] == list(range(2, 9))
    assert permits.in_flight == 0


async def test_long_input_is_refused_here(pair: Pair) -> None:
    """No Triton hears of it."""
    pooler, model = await embedder(pair)
    with await admission().acquire() as permit, pytest.raises(ContextLengthExceeded) as caught:
        await pooler.pool(model, PoolingRequest("embed", [[5], [5] * (EMBEDDING_LIMIT + 1)]), permit)
    assert caught.value.param == "input"
    assert not any(triton.inferred for triton in pair.tritons)


async def test_more_than_the_limit_is_refused_here(pair: Pair) -> None:
    """Of a caller whose minute has fewer tokens than the inputs."""
    pooler, model = await embedder(pair)
    callers.caller.set(Caller("few", quota=Quota(tokens=Bucket(5))))
    with await admission().acquire() as permit, pytest.raises(RequestTooLarge):
        await pooler.pool(model, PoolingRequest("embed", [[5] * 6]), permit)
    assert not any(triton.inferred for triton in pair.tritons)


async def test_wrong_rows_are_refused_after_the_work(pair: Pair) -> None:
    """How wide they are is seen when they are there; they have been paid for."""
    pooler, model = await embedder(pair)
    record = request_record.begin("r")
    with await admission().acquire() as permit, pytest.raises(BadRequest) as caught:
        await pooler.pool(model, PoolingRequest("embed", [[5, 6]], dimensions=3), permit)
    assert caught.value.param == "dimensions"
    assert record.prompt_tokens == 2


async def test_absent_triton_is_made_up_for(pair: Pair) -> None:
    """Once, by another; with none left, nothing is counted."""
    pooler, model = await embedder(pair)
    pair.clients[1].in_flight += 1
    pair.tritons[0].infer_error = Abort(grpc.StatusCode.UNAVAILABLE)
    record = request_record.begin("r")
    with await admission().acquire() as permit:
        assert (await pooler.pool(model, PoolingRequest("embed", [[5]]), permit)).tokens == 1
        assert (record.retries, record.prompt_tokens) == (1, 1)
        pair.tritons[1].infer_error = Abort(grpc.StatusCode.UNAVAILABLE)
        with pytest.raises(Unavailable):
            await pooler.pool(model, PoolingRequest("embed", [[5]]), permit)
    assert record.prompt_tokens == 1
