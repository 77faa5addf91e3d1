"""Names of metrics. Labels come from closed sets (routes, served models, statuses), so that no client can add a series.

With several workers prometheus_client keeps its values in files (`PROMETHEUS_MULTIPROC_DIR`, set by `__main__` before the
workers start) and any worker can answer for all.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_LATENCY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

REQUESTS = Counter("triton_gateway_requests", "HTTP requests that have ended.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "triton_gateway_request_seconds", "From the request to the end of the answer.", ["route"], buckets=_LATENCY_S
)
FIRST_TOKEN_SECONDS = Histogram(
    "triton_gateway_time_to_first_token_seconds", "From dispatch to the first content.", ["model"], buckets=_LATENCY_S
)
PROMPT_TOKENS = Counter("triton_gateway_prompt_tokens", "Tokens of prompts and inputs.", ["model"])
COMPLETION_TOKENS = Counter("triton_gateway_completion_tokens", "Tokens generated.", ["model"])
RETRIES = Counter("triton_gateway_retries", "Generations tried again on another Triton.", ["model"])
DISCONNECTS = Counter("triton_gateway_disconnects", "Requests whose client left before the end.", ["route"])
IN_FLIGHT = Gauge("triton_gateway_in_flight", "Requests in work.", multiprocess_mode="livesum")
QUEUED = Gauge("triton_gateway_queued", "Requests that wait for their turn.", multiprocess_mode="livesum")
MODEL_READY = Gauge(
    "triton_gateway_model_ready", "1 when the model answered lately.", ["model"], multiprocess_mode="livemax"
)

_Labelled = TypeVar("_Labelled", Counter, Gauge, Histogram)


@cache
def labelled(metric: _Labelled, *values: str) -> _Labelled:
    """The series with these labels, cached: prometheus_client would look it up under a lock each time."""
    return metric.labels(*values)


CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """All metrics of all workers in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # pyright: ignore[reportUnknownMemberType]
    return generate_latest(registry)


def forget_process(pid: int) -> None:
    """Take a worker that has ended out of the gauges; its counters stay."""
    multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType]
