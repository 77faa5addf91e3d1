"""The object `vllm_custom` of model.json, and the official backend's parameters."""

from __future__ import annotations

import pytest
from vllm_custom.configuration.settings import CONTROL_OPS, Settings, read, with_parameters
from vllm_custom.errors import ConfigError


def parameters(**values):
    return {"parameters": {name: {"string_value": value} for name, value in values.items()}}


def test_nothing_written_is_the_default():
    """An engine that fails is restarted, metrics are reported, and nobody can put the model to sleep."""
    settings = read("model.json", {})
    assert settings == Settings()
    assert (settings.on_failure, settings.control, settings.report_metrics) == ("restart", (), True)


def test_values_are_taken():
    """Every kind of value arrives as it was written."""
    settings = read("f", {"on_failure": "exit", "stall_seconds": 5, "control": list(CONTROL_OPS), "max_restarts": 0})
    assert (settings.on_failure, settings.stall_seconds, settings.max_restarts) == ("exit", 5, 0)
    assert settings.control == CONTROL_OPS


def test_threads_and_variables():
    """`threads` is OpenMP's number, without vLLM's binding to cores; what is spelt out wins; nothing is nothing."""
    assert read("f", {}).variables == {}
    assert read("f", {"threads": 2}).variables == {"OMP_NUM_THREADS": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    written = {"threads": 2, "environment": {"OMP_NUM_THREADS": "1"}}
    assert read("f", written).variables["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"on_fail": "exit"}, "on_fail"),
        ({"on_failure": "panic"}, "restart, exit, stay"),
        ({"on_failure": 1}, "on_failure"),
        ({"control": ["sleep", "dance"]}, "dance"),
        ({"control": "sleep"}, "control"),
        ({"control": [1]}, "control"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"max_restarts": True}, "max_restarts"),
        ({"max_restarts": 1.5}, "max_restarts"),
        ({"stall_seconds": 0}, "stall_seconds"),
        ({"wedge_seconds": "600"}, "wedge_seconds"),
        ({"check_seconds": 30}, "check_seconds"),
        ({"backoff_seconds": float("inf")}, "backoff_seconds"),
        ({"report_metrics": "true"}, "report_metrics"),
        ({"tool_parser": 5}, "tool_parser"),
        ({"reasoning_parser": ""}, "reasoning_parser"),
        ({"lora_directory": ["a"]}, "lora_directory"),
        ({"gpu_device_ids": 0}, "gpu_device_ids"),
        ({"gpu_device_ids": "0,1"}, "gpu_device_ids"),
        ({"gpu_device_ids": [0, True]}, "gpu_device_ids"),
        ({"gpu_device_ids": [0.5]}, "gpu_device_ids"),
        ({"threads": 0}, "threads"),
        ({"nice": 20}, "nice"),
        ({"nice": -1}, "nice"),
        ({"threads": "2"}, "threads"),
        ({"environment": ["A=b"]}, "environment"),
        ({"environment": {"OMP_NUM_THREADS": 2}}, "environment"),
        ({"environment": {"A=": "b"}}, "'A='"),
        ({"environment": {"LD_PRELOAD": "x.so"}}, "where Triton is started"),
        ([], "object"),
    ],
)
def test_faults_are_named_with_the_file(written, named):
    """A misspelt key or an impossible value is an error that names the file and the key."""
    with pytest.raises(ConfigError, match=named) as refusal:
        read("there/model.json", written)
    assert "there/model.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("True", True), ("yes", True), ("false", False), ("0", False), ("", False)]
)
def test_official_metrics_parameter(value, expected):
    """REPORT_CUSTOM_METRICS switches the metrics as its text says."""
    assert with_parameters(Settings(), {}, parameters(REPORT_CUSTOM_METRICS=value)).report_metrics is expected


@pytest.mark.parametrize(("value", "expected"), [("true", "restart"), ("false", "stay")])
def test_official_health_parameter(value, expected):
    """ENABLE_VLLM_HEALTH_CHECK: true is what happens anyway, false leaves a dead engine where it is."""
    assert with_parameters(Settings(), {}, parameters(ENABLE_VLLM_HEALTH_CHECK=value)).on_failure == expected


@pytest.mark.parametrize(
    ("value", "devices"),
    [("0,1", ("0", "1")), (" 2 , GPU-aaaa", ("2", "GPU-aaaa")), ("", ()), (" ", ()), ("0,", ("0", ""))],
)
def test_official_devices_parameter(value, devices):
    """GPU_DEVICE_IDS is gpu_device_ids; what is in it is looked at where the devices are known."""
    assert with_parameters(Settings(), {}, parameters(GPU_DEVICE_IDS=value)).gpu_device_ids == devices


def test_devices_are_numbers_and_texts():
    """Both may stand in one list."""
    assert read("f", {"gpu_device_ids": [0, "GPU-aaaa"]}).gpu_device_ids == (0, "GPU-aaaa")


def test_model_json_wins_over_parameters():
    """What the object says is not changed by a parameter, even where it says the default."""
    written = {"report_metrics": True, "on_failure": "restart", "gpu_device_ids": []}
    changed = parameters(REPORT_CUSTOM_METRICS="false", ENABLE_VLLM_HEALTH_CHECK="false", GPU_DEVICE_IDS="1")
    assert with_parameters(read("f", written), written, changed) == Settings()
