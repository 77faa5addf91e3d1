"""One instance: requests that end in the middle, by the engine's death or the server's end, each with one response."""

from __future__ import annotations

import threading
import time

import pytest
from vllm_custom.instance import Instance

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender
from tests.triton_backend.vllm_custom.states import CHECKING, SCRIPT, STATES

# And one whose engine dies.
STATES_AND_DEATH = (CHECKING, *SCRIPT, {"prompt": "die", "die_at": 0})
REACHED = [("check", None), ("prefill", "accepted"), ("decode", "delta")]


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_server_stopping_ends_the_request(start, prompt, reached, stream):
    """Whatever runs when the model is unloaded ends as unavailable."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, stream=stream)
    sender.wait_for(reached)
    backend.model.finalize()
    assert sender.finish()[-1][3] == "unavailable"


def test_request_after_the_stop_is_refused(start):
    """Triton may still hand over a request while the instance ends: here while the last responses are being sent."""
    blocked, release = threading.Event(), threading.Event()

    def hold(count):
        blocked.set()
        assert release.wait(10)

    backend = start()
    backend.ask("health", sender=ResponseSender(hold))
    assert blocked.wait(10)
    stopping = threading.Thread(target=backend.stop)
    stopping.start()
    while backend.model.is_ready():
        pass
    late = backend.generate()
    release.set()
    assert late.finish()[-1][3] == "unavailable"
    stopping.join()


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
    backend.wait_until_idle()


def test_send_that_never_works_is_given_up(start):
    """When nothing can be sent the request is freed all the same."""
    tried = threading.Event()

    def never(count):
        tried.set()
        raise RuntimeError("Triton is gone")

    backend = start(*SCRIPT)
    sender = backend.generate("decode", stream=True, sender=ResponseSender(never))
    assert tried.wait(10)
    backend.wait_until_idle()
    assert not sender.violations
    while backend.stats()["running"] + backend.stats()["queued"]:
        pass


def test_abort_and_cancellation_and_end_collide_without_harm(start):
    """However abort, cancellation and the natural end interleave, each request has one final response."""
    backend = start({"prompt": "go", "text": "x" * 20, "token_seconds": 0.0005})
    senders = [backend.generate("go", rid=f"race{i}", stream=True) for i in range(32)]

    def abort(number):
        backend.ask("abort", rid=f"abort{number}", target=f"race{number}")

    aborts = [threading.Thread(target=abort, args=(number,)) for number in range(32)]
    for index, thread in enumerate(aborts):
        senders[index].cancelled = index % 2 == 0
        thread.start()
    for thread in aborts:
        thread.join()
    for sender in senders:
        assert sender.finish()[-1][1] in ("end", "error")
    backend.wait_until_idle()


FAST = {"check_seconds": 0.005, "backoff_seconds": 0.001}
UNDER_WAY = 32


def answered(backend):
    """The next request's terminal record, once the backend is ready again."""
    while not backend.model.is_ready():
        pass
    return backend.generate("anything else").finish()[-1]


@pytest.mark.parametrize(("prompt", "reached"), REACHED)
def test_death_of_the_engine_ends_every_request(start, prompt, reached):
    """The engine dies under a request in any state: it ends as unavailable, once, and another engine serves."""
    backend = start(*STATES_AND_DEATH, vllm_custom=FAST)
    senders = [backend.generate(prompt, stream=True) for _ in range(8)]
    for sender in senders:
        if reached is not None:
            sender.wait_for(reached)
    backend.generate("die")
    assert {sender.finish()[-1][3] for sender in senders} == {"unavailable"}
    assert answered(backend)[1] == "end"
    assert backend.stats()["restarts"] == 1


def test_wedged_engine_ends_every_request(start):
    """An engine that steps no more and uses no processor is replaced, and its requests hear of it."""
    backend = start(*STATES_AND_DEATH, vllm_custom={**FAST, "stall_seconds": 1.0})
    senders = [backend.generate("decode", stream=True) for _ in range(8)]
    last = [sender.finish()[-1] for sender in senders]
    assert {record[3] for record in last} == {"unavailable"}
    assert "no step" in last[0][6]
    assert answered(backend)[1] == "end"


def test_requests_that_come_while_it_dies_have_an_answer(start):
    """Whoever comes before, during or after the change of engines gets exactly one final response."""
    backend = start(*STATES_AND_DEATH, vllm_custom=FAST)
    senders, stop = [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            senders.append(backend.generate("something"))
            # Some are always under way, but never so many that the engine's thread does not get its turn.
            if len(senders) >= UNDER_WAY:
                assert senders[-UNDER_WAY].done.wait(10)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        backend.generate("die").finish()
        while not backend.stats()["restarts"] or not backend.model.is_ready():
            time.sleep(0.001)
    finally:
        stop.set()
        thread.join()
    kinds = {(record[1], record[3] if record[1] == "error" else "") for record in (s.finish()[-1] for s in senders)}
    assert kinds <= {("end", ""), ("error", "unavailable")}
    assert answered(backend)[1] == "end"


def test_exit_sends_the_errors_first(start, monkeypatch):
    """With `exit` every request has its error before the process ends."""
    ended = threading.Event()
    status = []
    monkeypatch.setattr("os._exit", lambda code: (status.append(code), ended.set()))
    backend = start(*STATES_AND_DEATH, vllm_custom={**FAST, "on_failure": "exit"})
    senders = [backend.generate("decode", stream=True) for _ in range(8)]
    for sender in senders:
        sender.wait_for("delta")
    backend.generate("die")
    assert ended.wait(10)
    assert all(sender.done.is_set() for sender in senders)
    assert {sender.finish()[-1][3] for sender in senders} == {"unavailable"}
    assert status == [69]


def test_stop_leaves_no_thread(start):
    """After finalize every thread of the instance has ended."""
    before = set(threading.enumerate())
    backend = start()
    assert set(threading.enumerate()) > before
    backend.model.finalize()
    assert set(threading.enumerate()) == before


def test_interrupted_start_stops_the_engine():
    """Even an interruption, which is no Exception, ends what was started."""

    class Interrupted:
        stopped = False

        def start(self):
            raise KeyboardInterrupt

        def stop(self, timeout):
            self.stopped = True

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Instance("toy", engine).start()
    assert engine.stopped
