"""Deadlines, and what a request leaves when it has ended."""

from __future__ import annotations

import pytest
from vllm_custom.contract.lifecycle import Life, RequestState
from vllm_custom.engine.interface import Result
from vllm_custom.errors import Unavailable
from vllm_custom.metrics.meter import Meter
from vllm_custom.metrics.names import REQUESTS
from vllm_custom.serving.cancellation import Poller
from vllm_custom.serving.deadlines import Deadlines
from vllm_custom.serving.gate import Gate
from vllm_custom.serving.outbox import Channel
from vllm_custom.serving.request_metrics import RequestMetrics
from vllm_custom.serving.running_requests import RunningRequests
from vllm_custom.serving.running_result import RunningResult
from vllm_custom.serving.supervisor import Supervisor

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender

# Each waits an hour in the state it is named after.
SCRIPT = (
    {"prompt": "check", "accept_seconds": 3600},
    {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600},
    {"prompt": "decode", "text": "ab", "token_seconds": 3600},
    {"prompt": "die", "die_at": 0},
)


STATES = [("check", None), ("prefill", "accepted"), ("decode", "delta")]


def reach(sender, kind):
    if kind is not None:
        sender.wait_for(kind)


@pytest.mark.parametrize(("prompt", "reached"), STATES)
def test_deadline_of_the_envelope_ends_the_request(start, prompt, reached):
    """`timeout_ms` ends a request as `timeout` in whatever state it is, and the engine works on nothing more."""
    backend = start(*SCRIPT)
    sender = backend.ask("generate", api="chat", prompt=prompt, body={"stream": True}, timeout_ms=100)
    reach(sender, reached)
    assert sender.finish()[-1][3:] == ["timeout", None, None, "the deadline of 0.1 s has passed"]
    if prompt != "check":
        backend.wait_until_idle()


@pytest.mark.parametrize(("prompt", "reached"), STATES)
def test_tritons_own_deadline_counts_too(start, prompt, reached):
    """The request parameter `timeout`, in microseconds, is a deadline of any client's."""
    backend = start(*SCRIPT)
    envelope = {"v": 1, "op": "generate", "rid": "t", "api": "chat", "prompt": prompt, "body": {"stream": True}}
    sender = backend.send(InferenceRequest(envelope, timeout_us=100_000))
    reach(sender, reached)
    assert sender.finish()[-1][3] == "timeout"


def test_the_shorter_deadline_wins(start):
    """An hour in the envelope does not outlast Triton's tenth of a second."""
    backend = start(*SCRIPT)
    envelope = {"v": 1, "op": "generate", "rid": "t", "api": "chat", "prompt": "prefill", "timeout_ms": 3_600_000}
    assert (
        backend.send(InferenceRequest(envelope, timeout_us=100_000)).finish()[-1][6].startswith("the deadline of 0.1")
    )


@pytest.mark.parametrize("timeout_ms", [0, -1, True, 1.5, "100", 10**9])
def test_impossible_deadlines_are_refused(start, timeout_ms):
    """The key is named."""
    assert start().ask("generate", api="chat", prompt="p", timeout_ms=timeout_ms).finish()[0][5] == "timeout_ms"


@pytest.fixture
def supervised():
    """A supervisor over its real parts, which nothing runs, and those that a test looks at."""
    running, gate, deadlines, meter = RunningRequests(), Gate(), Deadlines(), Meter()
    gate.begin()
    poller = Poller(lambda: [])
    return Supervisor(running, gate, deadlines, poller, RequestMetrics(meter)), running, gate, deadlines, meter


def request(rid="r"):
    channel = Channel(ResponseSender())
    return RunningResult(Life(rid, lambda records, final: None), channel, lambda rid: None), channel


def outcomes(meter):
    return [dict(change.series.labels)["outcome"] for change in meter.take() if change.series.name == REQUESTS.name]


def test_deadline_that_is_met_leaves_nothing(supervised):
    """A request that ends in time takes its deadline with it, and is counted."""
    supervisor, running, _, deadlines, meter = supervised
    one, channel = request()
    supervisor.run(one, channel, 3600, lambda: None)
    assert (len(running), len(deadlines)) == (1, 1)
    assert one.finished(Result({}))
    assert (len(running), len(deadlines)) == (0, 0)
    assert outcomes(meter) == ["finished"]


def test_deadline_of_a_request_that_ends_while_it_is_set_is_taken_back(supervised):
    """As when the server stops in between."""
    supervisor, _, _, deadlines, _ = supervised
    one, channel = request()
    supervisor.run(one, channel, 3600, lambda: one.end(Unavailable("stopping")))
    assert len(deadlines) == 0


def test_closed_gate_refuses_what_has_begun(supervised):
    """Whatever closes the gate: the request ends with that reason, and never reaches the engine."""
    supervisor, running, gate, _, meter = supervised
    gate.close("asleep")
    one, channel = request()
    supervisor.run(one, channel, None, lambda: pytest.fail("submitted"))
    assert one.life.state is RequestState.FAILED
    assert len(running) == 0
    assert outcomes(meter) == ["unavailable"]


def test_gate_that_closes_meanwhile_misses_nobody(supervised):
    """Whoever closes the gate and then ends all that run has ended a request that passed the gate just before."""
    supervisor, running, gate, _, _ = supervised
    one, channel = request()

    def submit():
        gate.close("asleep")
        assert [each.end(Unavailable("asleep")) for each in running.snapshot()] == [True]

    supervisor.run(one, channel, None, submit)
    assert one.outcome == "unavailable"


def test_nothing_begins_while_the_instance_does_not_serve(supervised):
    """The request has not begun then: it is not registered, and may be refused by the caller."""
    supervisor, running, gate, _, meter = supervised
    gate.end()
    one, channel = request()
    with pytest.raises(Unavailable, match="stopping"):
        supervisor.run(one, channel, None, lambda: pytest.fail("submitted"))
    assert len(running) == 0
    assert not one.life.ended
    assert outcomes(meter) == []


def test_deadline_and_end_collide_without_harm(start):
    """Deadlines that fall due around the natural end: one final response, whichever it is."""
    backend = start({"prompt": "go", "text": "x" * 10, "token_seconds": 0.001})
    senders = [
        backend.ask("generate", api="chat", prompt="go", body={"stream": True}, timeout_ms=5 + number % 20)
        for number in range(64)
    ]
    assert {sender.finish()[-1][1] for sender in senders} <= {"end", "error"}
    backend.wait_until_idle()
