"""vLLM's figures to the meter, with values that have vLLM's shape."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from vllm_custom.engine.vllm_metrics import VllmMetrics
from vllm_custom.metrics.meter import Meter


def scheduler(running=2, waiting=3, **changes):
    return SimpleNamespace(
        **{
            "num_running_reqs": running,
            "num_waiting_reqs": waiting,
            "num_skipped_waiting_reqs": 1,
            "kv_cache_usage": 0.5,
            "prefix_cache_stats": SimpleNamespace(queries=10, hits=4),
            "running_lora_adapters": {},
            "waiting_lora_adapters": {},
            **changes,
        }
    )


def iteration(**changes):
    return SimpleNamespace(
        **{
            "num_prompt_tokens": 7,
            "num_generation_tokens": 5,
            "num_preempted_reqs": 1,
            "time_to_first_tokens_iter": [0.2],
            "inter_token_latencies_iter": [0.01, 0.02],
            "n_params_iter": [1],
            "finished_requests": [],
            **changes,
        }
    )


FINISHED = SimpleNamespace(
    finish_reason="length", e2e_latency=3.0, queued_time=0.5, prefill_time=0.5, decode_time=2.0, inference_time=2.5,
    num_prompt_tokens=7, num_generation_tokens=5,
)  # fmt: skip


def taken(meter):
    return {
        (change.series.name, *(value for _, value in change.series.labels)): change.value for change in meter.take()
    }


def test_step_is_counted():
    """Tokens, preemptions, cache hits, and what runs and waits."""
    meter = Meter()
    vllm_metrics = VllmMetrics(meter)
    vllm_metrics.record(scheduler(), iteration(finished_requests=[FINISHED]))
    values = taken(meter)
    assert values["vllm:prompt_tokens_total",] == 7
    assert values["vllm:generation_tokens_total",] == 5
    assert values["vllm:num_preemptions_total",] == 1
    assert (values["vllm:prefix_cache_queries_total",], values["vllm:prefix_cache_hits_total",]) == (10, 4)
    assert (values["vllm:num_requests_running",], values["vllm:num_requests_waiting",]) == (2, 4)
    assert values["vllm:kv_cache_usage_perc",] == 0.5
    assert values["vllm:time_per_output_token_seconds_count",] == 2
    assert values["vllm:request_success_total", "length"] == 1
    for name in ("queue", "prefill", "decode", "inference"):
        assert values[f"vllm:request_{name}_time_seconds_count",] == 1


def test_engines_of_one_model_are_added_up():
    """With data parallelism the gauges are the sum over the engines, and the cache's share their mean."""
    meter = Meter()
    vllm_metrics = VllmMetrics(meter)
    vllm_metrics.record(scheduler(running=2, kv_cache_usage=0.2), None, 0)
    vllm_metrics.record(scheduler(running=5, kv_cache_usage=0.4), None, 1)
    vllm_metrics.record(scheduler(running=1, kv_cache_usage=0.4), None, 0)
    values = taken(meter)
    assert values["vllm:num_requests_running",] == 6
    assert values["vllm:kv_cache_usage_perc",] == pytest.approx(0.4)


def test_adapters_are_named_and_go_back_to_zero():
    """An adapter's requests stand under its name, and its series is 0 when it has none."""
    meter = Meter()
    vllm_metrics = VllmMetrics(meter)
    vllm_metrics.record(scheduler(running_lora_adapters={"sql": 2}, waiting_lora_adapters={"poems": 1}), None)
    values = taken(meter)
    assert values["vllm_custom:lora_requests_running", "sql"] == 2
    assert values["vllm_custom:lora_requests_waiting", "poems"] == 1
    vllm_metrics.record(scheduler(), None)
    values = taken(meter)
    assert values["vllm_custom:lora_requests_running", "sql"] == 0
    assert values["vllm_custom:lora_requests_waiting", "poems"] == 0


def test_figures_of_another_vllm_cost_only_the_metrics():
    """A field that is no longer there raises nothing into vLLM's output loop, now or later."""
    meter = Meter()
    vllm_metrics = VllmMetrics(meter)
    vllm_metrics.record(SimpleNamespace(), None)
    meter.take()
    vllm_metrics.record(scheduler(), iteration())
    assert meter.take() == []
