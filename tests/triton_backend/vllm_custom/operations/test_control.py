"""The control ops and `health`, through the whole backend."""

from __future__ import annotations

import pytest

from tests.fakes.triton_python_backend import InferenceRequest

EVERYTHING = {"control": ["sleep", "wake", "reset_prefix_cache", "drain", "resume"]}
DECODING = {"prompt": "decode", "text": "ab", "token_seconds": 3600}


def answer(sender):
    (record,) = sender.finish()
    assert record[1] == "result", record
    return record[3]


@pytest.mark.parametrize("op", EVERYTHING["control"])
def test_control_is_off_unless_it_is_switched_on(start, op):
    """Without a line in model.json nobody can put the model to sleep, and the refusal names the line."""
    (record,) = start().ask(op).finish()
    assert (record[3], record[5]) == ("bad_request", "op")
    assert "control" in record[6]


def test_only_the_listed_ops_are_on(start):
    """Each op has a switch of its own."""
    backend = start(vllm_custom={"control": ["reset_prefix_cache"]})
    assert answer(backend.ask("reset_prefix_cache")) == {"reset": True}
    assert backend.ask("sleep").finish()[0][3] == "bad_request"


def test_sleeping_model_takes_nothing_and_says_so(start):
    """Asleep: not ready, requests are refused as unavailable, what ran has been told; awake, it serves again."""
    backend = start(DECODING, vllm_custom=EVERYTHING)
    running = backend.generate("decode", stream=True)
    running.wait_for("delta")
    assert answer(backend.ask("sleep", level=2)) == {"asleep": True}
    assert running.finish()[-1][3] == "unavailable"
    assert backend.model.is_ready() is False
    assert backend.generate().finish()[-1][3:] == ["unavailable", None, None, "the model is asleep"]
    assert answer(backend.ask("wake")) == {"asleep": False}
    assert backend.model.is_ready() is True
    assert backend.generate().finish()[-1][1] == "end"


@pytest.mark.parametrize("level", [0, 3, True, "1"])
def test_sleep_has_two_levels(start, level):
    """Another level is refused by name."""
    assert start(vllm_custom=EVERYTHING).ask("sleep", level=level).finish()[0][5] == "level"


def test_drain_waits_for_what_runs(start):
    """A drain shuts the door, lets what runs end, and is answered then; resume opens the door."""
    backend = start(DECODING, vllm_custom=EVERYTHING)
    running = backend.generate("decode", stream=True, rid="last")
    running.wait_for("delta")
    drain = backend.ask("drain")
    assert backend.generate().finish()[-1][3] == "unavailable"
    assert answer(backend.ask("health"))["ready"] is False
    assert not drain.done.is_set()
    backend.ask("abort", target="last").finish()
    running.finish()
    assert answer(drain) == {"drained": True, "unfinished": 0}
    assert answer(backend.ask("resume")) == {"accepting": True}
    assert backend.generate().finish()[-1][1] == "end"


def test_drain_of_an_idle_model_is_answered_at_once(start):
    """Nothing runs, nothing is waited for."""
    assert answer(start(vllm_custom=EVERYTHING).ask("drain")) == {"drained": True, "unfinished": 0}


def test_drain_ends_with_its_time(start):
    """When the time is up the answer says how many are left, and they go on."""
    backend = start(DECODING, vllm_custom=EVERYTHING)
    running = [backend.generate("decode", stream=True) for _ in range(3)]
    for sender in running:
        sender.wait_for("delta")
    assert answer(backend.ask("drain", timeout_ms=30)) == {"drained": False, "unfinished": 3}
    assert not any(sender.done.is_set() for sender in running)


def test_drain_is_answered_when_the_server_stops(start):
    """A drain that waits has its final response before the end."""
    backend = start(DECODING, vllm_custom=EVERYTHING)
    backend.generate("decode", stream=True).wait_for("delta")
    drain = backend.ask("drain")
    backend.model.finalize()
    drain.finish()


def test_sleep_of_a_failed_engine_is_refused_and_does_not_shut_the_door(start):
    """What the engine could not do is not remembered as done."""
    backend = start({"prompt": "die", "die_at": 0}, vllm_custom={**EVERYTHING, "on_failure": "stay"})
    backend.generate("die").finish()
    while backend.stats()["state"] != "failed":
        pass
    assert backend.model.is_ready() is False
    assert backend.ask("sleep").finish()[0][3] == "unavailable"
    assert answer(backend.ask("health"))["reason"] == "the engine has died"


def test_unknown_keys_of_control_are_refused(start):
    """As with every op."""
    backend = start(vllm_custom=EVERYTHING)
    request = InferenceRequest({"v": 1, "op": "wake", "rid": "a", "level": 1})
    assert backend.send(request).finish()[0][5] == "level"
