"""Deadlines, the death of the engine and its full queue: in every state, with one final response each."""

from __future__ import annotations

import threading

import pytest
from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.exporter import Exporter

from tests.fakes import triton_python_backend as triton
from tests.fakes.triton_python_backend import InferenceRequest

# Each waits an hour in the state it is named after.
SCRIPT = (
    {"prompt": "check", "accept_seconds": 3600},
    {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600},
    {"prompt": "decode", "text": "ab", "token_seconds": 3600},
    {"prompt": "die", "die_at": 0},
)
STATES = [("check", None), ("prefill", "accepted"), ("decode", "delta")]
FAST = {"check_seconds": 0.005, "backoff_seconds": 0.001}


def reach(sender, kind):
    if kind is not None:
        sender.wait_for(kind)


def answered(backend):
    """The next request's terminal record, once the backend is ready again."""
    while not backend.model.is_ready():
        pass
    return backend.generate("anything else").finish()[-1]


@pytest.mark.parametrize(("prompt", "reached"), STATES)
def test_deadline_of_the_envelope_ends_the_request(start, prompt, reached):
    """`timeout_ms` ends a request as `timeout` in whatever state it is, and the engine works on nothing more."""
    backend = start(*SCRIPT)
    sender = backend.ask("generate", api="chat", prompt=prompt, body={"stream": True}, timeout_ms=100)
    reach(sender, reached)
    assert sender.finish()[-1][3:] == ["timeout", None, None, "the deadline of 0.1 s has passed"]
    while prompt != "check" and backend.stats()["unfinished"]:
        pass


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


def test_deadline_that_is_met_leaves_nothing(start):
    """A request that ends in time takes its deadline with it."""
    backend = start()
    sender = backend.ask("generate", api="chat", prompt="p", timeout_ms=3_600_000)
    assert sender.finish()[-1][1] == "end"
    while backend.model._instance._deadlines._callbacks:
        pass


def test_deadline_and_end_collide_without_harm(start):
    """Deadlines that fall due around the natural end: one final response, whichever it is."""
    backend = start({"prompt": "go", "text": "x" * 10, "token_seconds": 0.001})
    senders = [
        backend.ask("generate", api="chat", prompt="go", body={"stream": True}, timeout_ms=5 + number % 20)
        for number in range(64)
    ]
    assert {sender.finish()[-1][1] for sender in senders} <= {"end", "error"}
    while backend.stats()["unfinished"]:
        pass


@pytest.mark.parametrize(("prompt", "reached"), STATES)
def test_death_of_the_engine_ends_every_request(start, prompt, reached):
    """The engine dies under a request in any state: it ends as unavailable, once, and another engine serves."""
    backend = start(*SCRIPT, vllm_custom=FAST)
    senders = [backend.generate(prompt, stream=True) for _ in range(8)]
    for sender in senders:
        reach(sender, reached)
    backend.generate("die")
    assert {sender.finish()[-1][3] for sender in senders} == {"unavailable"}
    assert answered(backend)[1] == "end"
    assert backend.stats()["restarts"] == 1


def test_wedged_engine_ends_every_request(start):
    """An engine that steps no more and uses no processor is replaced, and its requests hear of it."""
    backend = start(*SCRIPT, vllm_custom={**FAST, "stall_seconds": 1.0})
    senders = [backend.generate("decode", stream=True) for _ in range(8)]
    last = [sender.finish()[-1] for sender in senders]
    assert {record[3] for record in last} == {"unavailable"}
    assert "no step" in last[0][6]
    assert answered(backend)[1] == "end"


def test_requests_that_come_while_it_dies_have_an_answer(start):
    """Whoever comes before, during or after the change of engines gets exactly one final response."""
    backend = start(*SCRIPT, vllm_custom=FAST)
    senders, stop = [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            senders.append(backend.generate("something"))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        backend.generate("die").finish()
        while not backend.stats()["restarts"] or not backend.model.is_ready():
            pass
    finally:
        stop.set()
        thread.join()
    kinds = {(record[1], record[3] if record[1] == "error" else "") for record in (s.finish()[-1] for s in senders)}
    assert kinds <= {("end", ""), ("error", "unavailable")}
    assert answered(backend)[1] == "end"


def test_exit_lets_the_clients_hear_it_first(start, monkeypatch):
    """With `exit` every request has its error before the process ends."""
    ended = threading.Event()
    status = []
    monkeypatch.setattr("os._exit", lambda code: (status.append(code), ended.set()))
    backend = start(*SCRIPT, vllm_custom={**FAST, "on_failure": "exit"})
    senders = [backend.generate("decode", stream=True) for _ in range(8)]
    for sender in senders:
        sender.wait_for("delta")
    backend.generate("die")
    assert ended.wait(10)
    assert all(sender.done.is_set() for sender in senders)
    assert {sender.finish()[-1][3] for sender in senders} == {"unavailable"}
    assert status == [69]


def test_full_queue_refuses_at_once(start):
    """Beyond the limit a request is overloaded, not queued; when one has gone there is room again."""
    backend = start(*SCRIPT, max_num_queued_reqs=4)
    senders = [backend.generate("prefill", stream=True, rid=f"q{number}") for number in range(4)]
    for sender in senders:
        sender.wait_for("accepted")
    assert backend.generate("prefill").finish()[-1][3] == "overloaded"
    backend.ask("abort", target="q0").finish()
    senders[0].finish()
    while backend.stats()["unfinished"] > 3:
        pass
    assert backend.generate("anything").finish()[-1][1] == "end"


def values(name):
    found = dict(triton.MetricFamily.registry)
    return {dict(labels).get("outcome"): value for (other, labels), value in found.items() if other == name}


def test_metrics_reach_triton(start, monkeypatch):
    """What the backend counts stands on Triton's metrics port with the model's labels, outcomes by name."""
    triton.MetricFamily.registry.clear()
    monkeypatch.setitem(Exporter.__init__.__kwdefaults__, "period", 0.005)
    backend = start(*SCRIPT)
    backend.generate("fine").finish()
    backend.ask("generate", api="chat", prompt="prefill", timeout_ms=10).finish()
    backend.ask("frob").finish()
    wanted = {"finished": 1.0, "timeout": 1.0, "bad_request": 1.0}
    while values(metrics.REQUESTS.name) != wanted:
        pass
    while values(metrics.READY.name) != {None: 1.0}:
        pass
    assert values(metrics.GENERATION_TOKENS.name)[None] > 0
    assert values("vllm_custom:request_duration_seconds_count") == {None: 2.0}
    assert triton.MetricFamily.kinds[metrics.RUNNING.name] == "gauge"
    assert all(dict(labels)["model"] == "toy" for _, labels in triton.MetricFamily.registry)


def test_metrics_can_be_switched_off(start, model_py, model_directory):
    """REPORT_CUSTOM_METRICS: false leaves Triton's metrics alone, and nobody counts for nothing."""
    from tests.triton_backend.vllm_custom.conftest import arguments

    triton.MetricFamily.registry.clear()
    start().model.finalize()
    triton.MetricFamily.registry.clear()
    model = model_py.TritonPythonModel()
    model.initialize(arguments(model_directory, parameters={"REPORT_CUSTOM_METRICS": {"string_value": "false"}}))
    assert model._instance._ledger._exporter is None
    model.finalize()
    assert not triton.MetricFamily.registry
