"""Scores and classes: many pairs under one permit, and what is made of the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

import grpc
import httpx
import pytest

from gateway.apis.scoring.service import MAX_PAIRS, PAIRS_AT_A_TIME
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import WAIT_S, eventually
from tests.fakes.triton import POOLING_MODELS, Abort, FakeTriton

EMBEDDER, RERANKER = POOLING_MODELS


@pytest.fixture(scope="module")
def _triton() -> Generator[FakeTriton, None, None]:
    with FakeTriton() as triton:
        triton.ready = [EMBEDDER, RERANKER]
        yield triton


@pytest.fixture(scope="module", params=[1, 4], ids=["one permit", "four permits"])
def _narrow(request: pytest.FixtureRequest, _triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    _triton.reset()
    settings = {"max_in_flight": request.param, "max_queued": 0, **PROBED_ONCE}
    with running_gateway(triton_urls=(_triton.address,), **settings) as gateway:
        gateway.wait_ready()
        yield gateway


@pytest.fixture
def triton(_triton: FakeTriton) -> Generator[FakeTriton, None, None]:
    _triton.reset()
    yield _triton
    _triton.reset()


@pytest.fixture
def narrow(_narrow: RunningGateway, triton: FakeTriton) -> RunningGateway:
    """A gateway with fewer permits than a request may have pairs, and no place to wait for one."""
    return _narrow


def score(gateway: RunningGateway, pairs: int) -> httpx.Response:
    """Pairs of which the toy's score is their number: a document's length."""
    body = {
        "model": RERANKER,
        "queries": [f"q{number}" for number in range(1, pairs + 1)],
        "documents": ["d" * number for number in range(1, pairs + 1)],
    }
    return httpx.post(f"{gateway.url}/score", json=body, timeout=WAIT_S)


def in_flight(gateway: RunningGateway) -> str:
    lines = httpx.get(f"{gateway.url}/metrics").text.splitlines()
    return next(line.partition(" ")[2] for line in lines if line.startswith("triton_gateway_in_flight "))


def test_all_pairs_run_under_one_permit(narrow: RunningGateway, triton: FakeTriton) -> None:
    """However few permits there are: 128 pairs are one request, which has one and gives it back."""
    seen: list[str] = []

    def look_once(envelope: dict[str, Any], context: Any) -> None:
        if envelope["query"] == "q1":
            seen.append(in_flight(narrow))

    triton.before_pooling = look_once
    answer = score(narrow, MAX_PAIRS)
    assert answer.status_code == 200, answer.text
    assert [data["score"] for data in answer.json()["data"]] == [float(n) for n in range(1, MAX_PAIRS + 1)]
    assert answer.json()["usage"]["total_tokens"] == 5 * MAX_PAIRS
    assert len(triton.pooled) == MAX_PAIRS
    assert (seen, in_flight(narrow)) == (["1.0"], "0.0")


class Crowd:
    """Lets requests for rows go on when as many are there as may be; notes the most that were there at a time."""

    def __init__(self) -> None:
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._full = threading.Barrier(PAIRS_AT_A_TIME, timeout=WAIT_S)
        self._too_many = threading.Event()
        self._looked = False

    def __call__(self, envelope: dict[str, Any], context: Any) -> None:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            if self.most > PAIRS_AT_A_TIME:
                self._too_many.set()
                return
        self._full.wait()
        if not self._looked:  # the first crowd stays for a moment: one more would come now
            self._too_many.wait(0.1)
            self._looked = True
        with self._lock:
            self._running -= 1


def test_pairs_at_a_time_are_limited(narrow: RunningGateway, triton: FakeTriton) -> None:
    """One request has no more of the engine than that, and no less as long as it has pairs."""
    triton.before_pooling = crowd = Crowd()
    assert score(narrow, MAX_PAIRS).status_code == 200
    assert crowd.most == PAIRS_AT_A_TIME


def ends_with(status: grpc.StatusCode, ended: list[str]) -> Callable[[dict[str, Any], Any], None]:
    """The first pair fails when the others of its time are there; those wait until they are cancelled."""
    full, places = threading.Barrier(PAIRS_AT_A_TIME, timeout=WAIT_S), threading.Semaphore(PAIRS_AT_A_TIME)

    def before_pooling(envelope: dict[str, Any], context: Any) -> None:
        cancelled = threading.Event()
        context.add_callback(cancelled.set)
        if not places.acquire(blocking=False):
            return
        full.wait()
        if envelope["query"] == "q1":
            raise Abort(status)
        if cancelled.wait(WAIT_S):
            ended.append(envelope["query"])

    return before_pooling


def test_first_error_ends_the_other_pairs(narrow: RunningGateway, triton: FakeTriton) -> None:
    """Those at work are cancelled, the rest never begins, and the permit comes back."""
    ended: list[str] = []
    triton.before_pooling = ends_with(grpc.StatusCode.RESOURCE_EXHAUSTED, ended)
    refused = score(narrow, MAX_PAIRS)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    eventually(lambda: len(ended) == PAIRS_AT_A_TIME - 1)
    # The place of the one that failed may have been taken in the moment before the others were cancelled.
    assert len(triton.pooled) <= PAIRS_AT_A_TIME + 1
    triton.reset()
    assert in_flight(narrow) == "0.0"
    assert score(narrow, 2).status_code == 200


def test_too_many_pairs_are_refused(narrow: RunningGateway, triton: FakeTriton) -> None:
    """By the name of the field; no Triton hears of them."""
    refused = score(narrow, MAX_PAIRS + 1)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "queries"
    assert triton.pooled == []
