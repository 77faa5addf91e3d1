"""What the replay engine counts."""

from __future__ import annotations

from types import SimpleNamespace

from vllm_custom.metrics.meter import Meter
from vllm_custom.replay.replay_metrics import ReplayMetrics


def step(*reasons, tokens=1):
    choices = [SimpleNamespace(token_ids=[1] * tokens, finish_reason=reason) for reason in reasons]
    return SimpleNamespace(outputs=choices, finished=all(reason is not None for reason in reasons))


def taken(meter):
    values = {}
    for change in meter.take():
        key = (change.series.name, *(value for _, value in change.series.labels))
        values[key] = change.value
    return values


def test_request_is_counted_by_vllms_names():
    """Tokens, times and why it ended: the first step is the first token, the others are intervals."""
    meter = Meter()
    metrics = ReplayMetrics(meter, lambda: 3)
    request = metrics.opened(5, 2)
    request.step(step(None, None))
    request.step(step("stop", None))
    request.step(step("length"))
    values = taken(meter)
    assert metrics.steps == 3
    assert values["vllm:num_requests_running",] == 3
    assert values["vllm:prompt_tokens_total",] == 5
    assert values["vllm:generation_tokens_total",] == 5
    assert values["vllm:time_to_first_token_seconds_count",] == 1
    assert values["vllm:time_per_output_token_seconds_count",] == 2
    assert values["vllm:request_success_total", "stop"] == values["vllm:request_success_total", "length"] == 1
    assert values["vllm:request_generation_tokens_sum",] == 5


def test_request_that_has_not_ended_has_no_duration():
    """It is observed with its last step."""
    meter = Meter()
    ReplayMetrics(meter, lambda: 1).opened(5, 1).step(step(None))
    assert ("vllm:e2e_request_latency_seconds_count",) not in taken(meter)
