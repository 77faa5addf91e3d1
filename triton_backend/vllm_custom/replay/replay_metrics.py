"""What the replay engine counts, under the names of vLLM's own metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..contract.outputs import StepOutput
from ..metrics import names as metrics
from ..metrics.meter import Meter


class ReplayMetrics:
    """One engine's. `running` gives the number of its requests; `steps` is its sign of life."""

    def __init__(self, meter: Meter, running: Callable[[], int]) -> None:
        self._meter = meter
        self._running = running
        self.steps = 0

    def opened(self, prompt_tokens: int, choices: int) -> ReplayRequestMetrics:
        self._meter.set(metrics.RUNNING, self._running())
        self._meter.observe(metrics.REQUEST_N, [choices])
        return ReplayRequestMetrics(self, self._meter, prompt_tokens)


class ReplayRequestMetrics:
    """One request's; `step` is called with each of its outputs."""

    def __init__(self, engine: ReplayMetrics, meter: Meter, prompt_tokens: int) -> None:
        self._engine = engine
        self._meter = meter
        self._prompt_tokens = prompt_tokens
        self._generated = 0
        self._began = self._last = time.monotonic()

    def step(self, output: StepOutput) -> None:
        self._engine.steps += 1
        now, meter = time.monotonic(), self._meter
        if self._generated == 0:
            meter.add(metrics.PROMPT_TOKENS, self._prompt_tokens)
            meter.observe(metrics.FIRST_TOKEN, [now - self._began])
        else:
            meter.observe(metrics.PER_TOKEN, [now - self._last])
        self._last = now
        tokens = sum(len(choice.token_ids) for choice in output.outputs)
        self._generated += tokens
        meter.add(metrics.GENERATION_TOKENS, tokens)
        for choice in output.outputs:
            if choice.finish_reason is not None:
                meter.add(metrics.SUCCESS, 1, choice.finish_reason)
        if output.finished:
            meter.observe(metrics.E2E, [now - self._began])
            meter.observe(metrics.REQUEST_PROMPT, [self._prompt_tokens])
            meter.observe(metrics.REQUEST_GENERATION, [self._generated])
