"""vLLM's own statistics to the meter, once per engine step.

Their classes are not stable from version to version: what can't be read is logged once and ends these metrics, never the
engine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..metrics import names as metrics
from ..metrics.meter import Meter

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.metrics.loggers import PrometheusStatLogger
    from vllm.v1.metrics.stats import FinishedRequestStats, IterationStats, SchedulerStats

logger = logging.getLogger(__name__)


def stat_logger(meter: Meter, count_step: Callable[[], bool]) -> type[PrometheusStatLogger]:
    """The class of a logger, of which vLLM makes an object. `count_step` is called once a step, also for one without
    output, and returns whether the step's values count."""
    from vllm.v1.metrics.loggers import PrometheusStatLogger

    class MeterLogger(PrometheusStatLogger):
        """Derived from this class, because vLLM adds a Prometheus logger of its own where it sees none, and that one
        takes a lock for every token."""

        def __init__(self, vllm_config: VllmConfig, engine_indexes: list[int] | None = None) -> None:
            # Not the base's, which would register seventy metrics that are not exported.
            self._metrics = VllmMetrics(meter)

        def record(
            self,
            scheduler_stats: SchedulerStats | None,
            iteration_stats: IterationStats | None,
            mm_cache_stats: Any = None,
            engine_idx: int = 0,
        ) -> None:
            if count_step():
                self._metrics.record(scheduler_stats, iteration_stats, engine_idx)

        def log_engine_initialized(self) -> None: ...
        def log(self) -> None: ...
        def record_sleep_state(self, sleep: int = 0, level: int = 0) -> None: ...
        def record_admission_rejection(self, reason: str) -> None: ...

    return MeterLogger


class VllmMetrics:
    """From vLLM's values to the meter; several engines of one model (data parallelism) are added up."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._latest: dict[int, SchedulerStats] = {}
        self._loras: set[str] = set()
        self._broken = False

    def record(self, scheduler: SchedulerStats | None, iteration: IterationStats | None, engine: int = 0) -> None:
        """Raises nothing: what goes wrong in here would end vLLM's output, and with it the engine."""
        if self._broken:
            return
        try:
            if scheduler is not None:
                self._scheduler(scheduler, engine)
            if iteration is not None:
                self._iteration(iteration)
        except Exception:
            self._broken = True
            logger.exception("this vLLM's figures are not what is expected; no metrics of the engine from here on")

    def _scheduler(self, stats: SchedulerStats, engine: int) -> None:
        meter = self._meter
        self._latest[engine] = stats
        latest = self._latest.values()
        meter.set(metrics.RUNNING, sum(each.num_running_reqs for each in latest))
        meter.set(metrics.WAITING, sum(each.num_waiting_reqs + each.num_skipped_waiting_reqs for each in latest))
        meter.set(metrics.KV_USAGE, sum(each.kv_cache_usage for each in latest) / len(latest))
        meter.add(metrics.PREFIX_QUERIES, stats.prefix_cache_stats.queries)
        meter.add(metrics.PREFIX_HITS, stats.prefix_cache_stats.hits)
        self._adapters(stats)

    def _adapters(self, stats: SchedulerStats) -> None:
        running, waiting = stats.running_lora_adapters, stats.waiting_lora_adapters
        self._loras.update(running, waiting)
        for name in self._loras:
            self._meter.set(metrics.LORA_RUNNING, running.get(name, 0), name)
            self._meter.set(metrics.LORA_WAITING, waiting.get(name, 0), name)

    def _iteration(self, stats: IterationStats) -> None:
        meter = self._meter
        meter.add(metrics.PROMPT_TOKENS, stats.num_prompt_tokens)
        meter.add(metrics.GENERATION_TOKENS, stats.num_generation_tokens)
        meter.add(metrics.PREEMPTIONS, stats.num_preempted_reqs)
        meter.observe(metrics.FIRST_TOKEN, stats.time_to_first_tokens_iter)
        meter.observe(metrics.PER_TOKEN, stats.inter_token_latencies_iter)
        meter.observe(metrics.REQUEST_N, stats.n_params_iter)
        if stats.finished_requests:
            self._finished(stats.finished_requests)

    def _finished(self, requests: Sequence[FinishedRequestStats]) -> None:
        meter = self._meter
        meter.observe(metrics.E2E, [request.e2e_latency for request in requests])
        meter.observe(metrics.QUEUE_TIME, [request.queued_time for request in requests])
        meter.observe(metrics.PREFILL_TIME, [request.prefill_time for request in requests])
        meter.observe(metrics.DECODE_TIME, [request.decode_time for request in requests])
        meter.observe(metrics.INFERENCE_TIME, [request.inference_time for request in requests])
        meter.observe(metrics.REQUEST_PROMPT, [request.num_prompt_tokens for request in requests])
        meter.observe(metrics.REQUEST_GENERATION, [request.num_generation_tokens for request in requests])
        for request in requests:
            meter.add(metrics.SUCCESS, 1, str(request.finish_reason))
