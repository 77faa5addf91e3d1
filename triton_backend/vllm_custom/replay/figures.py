"""What the replay engine counts, under the names that vLLM's figures have."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..contract.response import StepOutput
from ..metrics import names as metrics
from ..metrics.meter import Meter


class Figures:
    """`running` tells how many requests there are; `steps` is the engine's sign of life."""

    def __init__(self, meter: Meter, running: Callable[[], int]) -> None:
        self._meter = meter
        self._running = running
        self.steps = 0

    def opened(self, prompt_tokens: int, choices: int) -> Account:
        self._meter.set(metrics.RUNNING, self._running())
        self._meter.observe(metrics.REQUEST_N, [choices])
        return Account(self, self._meter, prompt_tokens)


class Account:
    """One request's: told of each of its steps."""

    def __init__(self, figures: Figures, meter: Meter, prompt_tokens: int) -> None:
        self._figures = figures
        self._meter = meter
        self._prompt_tokens = prompt_tokens
        self._generated = 0
        self._began = self._last = time.monotonic()

    def step(self, output: StepOutput) -> None:
        self._figures.steps += 1
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
