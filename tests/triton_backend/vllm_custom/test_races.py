"""Requests that end in the middle: by the client, by an abort, by the engine, by the server's end."""

from __future__ import annotations

import threading

import pytest

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender

# Each waits an hour in the state it is named after.
PREFILLING = {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600}
DECODING = {"prompt": "decode", "text": "ab", "token_seconds": 3600}
SCRIPT = (PREFILLING, DECODING)
STATES = [("prefill", "accepted", True), ("prefill", "accepted", False), ("decode", "delta", True)]


def empty(backend):
    """Wait until the engine works on nothing."""
    while backend.stats()["unfinished"]:
        pass


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_client_leaving_ends_the_request(start, prompt, reached, stream):
    """A client that leaves while its request waits or runs ends it, with one final response, in the engine too."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, stream=stream)
    sender.wait_for(reached)
    sender.cancelled = True
    assert sender.finish()[-1][3] == "cancelled"
    empty(backend)


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_abort_ends_the_request(start, prompt, reached, stream):
    """An abort is answered with true, and its target ends as cancelled."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, rid="target", stream=stream)
    sender.wait_for(reached)
    assert backend.ask("abort", target="target").finish()[0][3] == {"aborted": True}
    assert sender.finish()[-1][3] == "cancelled"
    empty(backend)


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_server_stopping_ends_the_request(start, prompt, reached, stream):
    """Whatever runs when the model is unloaded ends as unavailable."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, stream=stream)
    sender.wait_for(reached)
    backend.model.finalize()
    assert sender.finish()[-1][3] == "unavailable"


def test_request_after_the_stop_is_refused(start):
    """Triton may still hand over a request while the instance ends."""
    backend = start()
    instance = backend.model._instance
    instance._accepting = False
    assert backend.generate().finish()[-1][3] == "unavailable"


def test_abort_of_an_unknown_rid_is_false(start):
    """An abort that finds nothing says so."""
    assert start().ask("abort", target="nobody").finish()[0][3] == {"aborted": False}


def test_abort_of_a_finished_request_is_false(start):
    """An abort that comes too late changes nothing."""
    backend = start()
    records = backend.generate(rid="quick").finish()
    assert backend.ask("abort", target="quick").finish()[0][3] == {"aborted": False}
    assert records[-1][1] == "end"


def test_abort_before_its_generate_is_remembered(start):
    """A generate that comes after its abort ends at once, and only once."""
    backend = start()
    backend.ask("abort", target="late").finish()
    assert backend.generate(rid="late").finish()[-1][3] == "cancelled"
    assert backend.generate(rid="late").finish()[-1][1] == "end"


def test_active_rid_is_not_taken_twice(start):
    """A second request with a rid in use is refused and leaves the first alone."""
    backend = start(*SCRIPT)
    first = backend.generate("decode", rid="same", stream=True)
    first.wait_for("delta")
    error = backend.generate("decode", rid="same").finish()[-1]
    assert (error[3], error[5]) == ("bad_request", "rid")
    assert backend.ask("abort", target="same").finish()[0][3] == {"aborted": True}
    assert first.finish()[-1][3] == "cancelled"


def test_bad_request_does_not_disturb_its_batch(start):
    """Of three requests handed over together the middle one fails alone."""
    backend = start({"text": "fine"})
    requests = [
        InferenceRequest({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p"}),
        InferenceRequest(b"{"),
        InferenceRequest({"v": 1, "op": "generate", "rid": "c", "api": "chat", "prompt": "p"}),
    ]
    backend.send(*requests)
    assert [request.sender.finish()[-1][1] for request in requests] == ["end", "error", "end"]


def test_refused_send_ends_the_request_with_a_last_error(start):
    """When a response cannot be sent, a small error is tried once, and the engine stops working for nobody."""
    attempts = []

    def full_at_first(count):
        attempts.append(count)
        if len(attempts) == 1:
            raise RuntimeError("shared memory is full")

    backend = start(*SCRIPT)
    sender = backend.generate("decode", stream=True, sender=ResponseSender(full_at_first))
    assert sender.finish()[-1][3:] == ["internal", None, None, "a response could not be sent"]
    empty(backend)


def test_send_that_never_works_is_given_up(start):
    """When nothing can be sent the request is freed all the same."""
    tried = threading.Event()

    def never(count):
        tried.set()
        raise RuntimeError("Triton is gone")

    backend = start(*SCRIPT)
    sender = backend.generate("decode", stream=True, sender=ResponseSender(never))
    assert tried.wait(10)
    empty(backend)
    assert not sender.violations
    while backend.stats()["running"] + backend.stats()["queued"]:
        pass


def test_many_requests_cancelled_together_each_end_once(start):
    """Sixty-four clients leaving at once leave nothing behind."""
    backend = start(*SCRIPT)
    senders = [backend.generate("decode", stream=True) for _ in range(64)]
    for sender in senders:
        sender.wait_for("delta")
    for sender in senders:
        sender.cancelled = True
    assert {sender.finish()[-1][3] for sender in senders} == {"cancelled"}
    empty(backend)


def test_abort_and_cancellation_and_end_collide_without_harm(start):
    """However abort, cancellation and the natural end interleave, each request has one final response."""
    backend = start({"prompt": "go", "text": "x" * 20, "token_seconds": 0.0005})
    senders = [backend.generate("go", rid=f"race{i}", stream=True) for i in range(32)]
    aborts = [threading.Thread(target=lambda i=i: backend.model._instance._active.abort(f"race{i}")) for i in range(32)]
    for index, thread in enumerate(aborts):
        senders[index].cancelled = index % 2 == 0
        thread.start()
    for thread in aborts:
        thread.join()
    for sender in senders:
        assert sender.finish()[-1][1] in ("end", "error")
    empty(backend)
