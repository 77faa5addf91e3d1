"""Calls with a single result: on the least busy Triton, and once elsewhere."""

from __future__ import annotations

import pytest

from gateway import request_record
from gateway.dispatch.replicas import on_a_replica
from gateway.errors import Overloaded, Unavailable
from gateway.triton.client import TritonClient
from tests.fakes.triton import EMBEDDING_MODEL
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


class Attempts:
    """Notes who was asked, and fails on the first so many."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.asked: list[TritonClient] = []
        self._failures = failures
        self._error = error

    async def __call__(self, client: TritonClient) -> str:
        self.asked.append(client)
        if len(self.asked) <= self._failures:
            raise self._error
        return "done"


async def test_least_busy_is_asked(pair: Pair) -> None:
    """And nobody else."""
    await pair.catalog.refresh()
    pair.clients[0].in_flight += 1
    attempts = Attempts(0, Unavailable("away"))
    assert await on_a_replica(pair.catalog, EMBEDDING_MODEL, attempts) == "done"
    assert attempts.asked == [pair.clients[1]]


async def test_absent_one_is_made_up_for(pair: Pair) -> None:
    """By another, once; the record of the request says so."""
    await pair.catalog.refresh()
    record = request_record.begin("r")
    attempts = Attempts(1, Unavailable("away"))
    assert await on_a_replica(pair.catalog, EMBEDDING_MODEL, attempts) == "done"
    assert set(attempts.asked) == set(pair.clients)
    assert record.retries == 1


async def test_second_failure_stands(pair: Pair) -> None:
    """Nobody is asked twice."""
    await pair.catalog.refresh()
    attempts = Attempts(2, Unavailable("away"))
    with pytest.raises(Unavailable):
        await on_a_replica(pair.catalog, EMBEDDING_MODEL, attempts)
    assert len(attempts.asked) == 2


async def test_other_errors_are_not_tried_again(pair: Pair) -> None:
    """Whoever is overloaded would be so elsewhere."""
    await pair.catalog.refresh()
    attempts = Attempts(1, Overloaded("full"))
    with pytest.raises(Overloaded):
        await on_a_replica(pair.catalog, EMBEDDING_MODEL, attempts)
    assert len(attempts.asked) == 1


async def test_model_that_nobody_has_is_unavailable(pair: Pair) -> None:
    """Before anybody is asked."""
    attempts = Attempts(0, Unavailable("away"))
    with pytest.raises(Unavailable):
        await on_a_replica(pair.catalog, EMBEDDING_MODEL, attempts)
    assert attempts.asked == []
