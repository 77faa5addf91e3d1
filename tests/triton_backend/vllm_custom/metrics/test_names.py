"""The metrics by name."""

from __future__ import annotations

from vllm_custom.metrics import names as metrics
from vllm_custom.metrics.meter import Family


def test_metric_names_are_unique_and_the_official_ones_are_there():
    """The eight of the official backend, under their names."""
    families = [value for value in vars(metrics).values() if isinstance(value, Family)]
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    assert {
        "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds",
        "vllm:time_per_output_token_seconds", "vllm:e2e_request_latency_seconds", "vllm:request_prompt_tokens",
        "vllm:request_generation_tokens", "vllm:request_params_n",
    } <= set(names)  # fmt: skip
    for family in families:
        assert list(family.bounds) == sorted(set(family.bounds))
