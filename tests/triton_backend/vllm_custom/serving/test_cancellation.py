"""The poller: who is asked, how often, and at what price."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.serving.cancellation import MOST_SHARE, PERIOD, ROUND, SHARE, SLICE, Poller, check, pause

from tests.triton_backend.vllm_custom.conftest import thread_names
from tests.triton_backend.vllm_custom.states import SCRIPT, STATES


class Client:
    def __init__(self, *, gone=False, broken=False):
        self.gone, self.broken = gone, broken
        self.asked, self.cancelled = threading.Event(), threading.Event()

    def is_cancelled(self):
        self.asked.set()
        if self.broken:
            raise RuntimeError("no answer")
        return self.gone

    def cancel(self):
        self.cancelled.set()


def test_gone_client_is_cancelled_and_others_are_not():
    """Everyone active is asked, and only who has gone is cancelled, though one of them can't be asked."""
    clients = [Client(), Client(broken=True), Client(gone=True)]
    poller = Poller(lambda: clients, period=0.001)
    poller.start()
    poller.wake()
    assert clients[2].cancelled.wait(10)
    assert clients[0].asked.wait(10)
    poller.stop(5)
    assert not clients[0].cancelled.is_set()
    assert not clients[1].cancelled.is_set()


def test_sleeping_poller_wakes_for_a_new_request():
    """With nobody active the poller rests until it is woken, and stops when told to."""
    looked, clients = threading.Semaphore(0), []

    def active():
        looked.release()
        return list(clients)

    poller = Poller(active, period=0.001)
    poller.start()
    assert looked.acquire(timeout=10)
    client = Client(gone=True)
    clients.append(client)
    poller.wake()
    assert client.cancelled.wait(10)
    clients.clear()
    poller.stop(5)
    assert "cancellation" not in thread_names()


def test_fault_of_one_request_is_survived():
    """A request that can't be asked raises nothing into the poller."""
    check(Client(broken=True))


@given(st.integers(1, 2000), st.floats(0, 0.5))
def test_price_is_bounded_and_rounds_are_no_faster_than_the_period(total, busy):
    """Asking takes a fifth of the time, or what a round within the promise needs, and never more than half."""
    portion = min(SLICE, total)
    rest = pause(busy, portion, total, PERIOD)
    assert rest >= 0
    assert busy + rest >= PERIOD * portion / total * 0.9999
    assert busy <= (busy + rest) * MOST_SHARE * 1.0001
    if busy > (busy + rest) * SHARE * 1.0001:
        assert busy + rest <= max(ROUND * portion / total, busy / MOST_SHARE) * 1.0001


@pytest.mark.parametrize("cost", [50e-6, 180e-6, 650e-6])
def test_256_requests_are_asked_within_the_promise(cost):
    """From an idle machine to one where each question takes 650 us, a round over 256 requests leaves time for the abort."""
    rounds = 256 / SLICE * (SLICE * cost + pause(SLICE * cost, SLICE, 256, PERIOD))
    assert rounds <= ROUND * 1.0001


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_client_leaving_ends_the_request(start, prompt, reached, stream):
    """A client that leaves while its request waits or runs ends it, with one final response, in the engine too."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, stream=stream)
    sender.wait_for(reached)
    sender.cancelled = True
    assert sender.finish()[-1][3] == "cancelled"
    backend.wait_until_idle()


def test_many_requests_cancelled_together_each_end_once(start):
    """Sixty-four clients leaving at once leave nothing behind."""
    backend = start(*SCRIPT)
    senders = [backend.generate("decode", stream=True) for _ in range(64)]
    for sender in senders:
        sender.wait_for("delta")
    for sender in senders:
        sender.cancelled = True
    assert {sender.finish()[-1][3] for sender in senders} == {"cancelled"}
    backend.wait_until_idle()
