"""From Triton's arguments to a running instance."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from vllm_custom import launch
from vllm_custom.errors import ConfigError
from vllm_custom.metrics import names as metrics

from tests.fakes import triton_python_backend as triton
from tests.triton_backend.vllm_custom.conftest import arguments, thread_names


def test_model_stands_back(start, monkeypatch):
    """`nice` is that of the whole process, once; without it nobody is asked."""
    asked = []
    monkeypatch.setattr(os, "nice", asked.append)
    start()
    start(vllm_custom={"nice": 5})
    assert asked == [5]


@pytest.mark.parametrize("name", ["tokenizer.json"])
def test_failed_start_leaves_no_thread(start, model_directory, name):
    """When the engine cannot start, the error says why and no thread is left."""
    (model_directory / "1" / "weights" / name).unlink()
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match=name):
        start()
    assert set(threading.enumerate()) == before


def test_sender_gets_its_turn_soon(monkeypatch):
    """Whatever comes after it: the interpreter's lock changes hands sooner than by default."""
    before = sys.getswitchinterval()
    monkeypatch.setattr(launch.config, "load", lambda *_: pytest.fail("stop here"))
    try:
        with pytest.raises(pytest.fail.Exception):
            launch.launch({"model_config": "{}", "model_name": "m", "model_version": "1", "model_repository": "/m"})
        assert sys.getswitchinterval() == pytest.approx(launch.SWITCH_INTERVAL)
    finally:
        sys.setswitchinterval(before)


def values(name):
    found = dict(triton.MetricFamily.registry)
    return {dict(labels).get("outcome"): value for (other, labels), value in found.items() if other == name}


def test_metrics_reach_triton(start):
    """What the backend counts stands on Triton's metrics port with the model's labels, outcomes by name."""
    triton.MetricFamily.registry.clear()
    backend = start({"prompt": "prefill", "text": "ab", "prefill_seconds": 3600})
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
    triton.MetricFamily.registry.clear()
    start().model.finalize()
    triton.MetricFamily.registry.clear()
    model = model_py.TritonPythonModel()
    model.initialize(arguments(model_directory, parameters={"REPORT_CUSTOM_METRICS": {"string_value": "false"}}))
    assert "metrics" not in thread_names()
    model.finalize()
    assert not triton.MetricFamily.registry
