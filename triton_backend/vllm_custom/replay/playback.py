"""One request of the replay engine while it plays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..contract.plan import Plan
from ..engine.generation import Delivery, Step
from ..errors import BackendError, Unavailable
from .script import Entry, Line, scripted_error
from .step_clock import StepClock


@dataclass(frozen=True, slots=True)
class ReplayLogprob:
    """See `outputs.TokenLogprob`."""

    logprob: float
    rank: int
    decoded_token: str


@dataclass(slots=True)
class ReplayChoice:
    """See `outputs.ChoiceOutput`."""

    index: int
    text: str
    token_ids: Sequence[int]
    logprobs: Sequence[Mapping[int, ReplayLogprob]] | None
    finish_reason: str | None
    stop_reason: str | None
    cumulative_logprob: float | None = None


@dataclass(slots=True)
class ReplayOutput:
    """See `outputs.StepOutput`."""

    outputs: Sequence[ReplayChoice]
    finished: bool
    num_cached_tokens: int = 0
    prompt_token_ids: Sequence[int] | None = None
    prompt_logprobs: Sequence[Mapping[int, ReplayLogprob] | None] | None = None


class Playback:
    """See `generation.Generation`. A step has one token of every choice; without `stream` one output has everything."""

    def __init__(
        self,
        plan: Plan,
        entry: Entry,
        lines: Sequence[Line],
        *,
        stream: bool,
        prompt_token_ids: Sequence[int],
        name: Callable[[int], str],
        death: asyncio.Event,
        on_step: Callable[[ReplayOutput], None] = lambda output: None,
        clock: StepClock | None = None,
    ) -> None:
        """`clock` is that of an entry with `step_seconds`; `name` gives the text of a token id; `death` is the end of the
        whole engine, set by the request that reaches `die_at`."""
        self.plan = plan
        self._entry = entry
        self._lines = lines
        self._stream = stream
        self._prompt_token_ids = prompt_token_ids
        self._name = name
        self._death = death
        self._on_step = on_step
        self._clock = clock
        self._at = 0
        self._length = max(1, *(len(line.tokens) for line in lines))

    async def follow(self, step: Step) -> bool:
        delivery = Delivery(step)
        if self._clock is None:
            while delivery.push(await self._next()):
                pass
            return await delivery.until_end()
        start = self._at

        def turn() -> bool:
            nonlocal start
            try:
                self._advance()
            except BackendError as failure:
                delivery.fail(failure)
                return False
            if not self._stream and self._at < self._length:
                return True
            begun, start = start, self._at
            return delivery.push(self._output(begun))

        self._clock.add(turn)
        try:
            return await delivery.until_end()
        finally:
            self._clock.remove(turn)

    async def _next(self) -> ReplayOutput:
        start = self._at
        stop = start + 1 if self._stream else self._length
        while self._at < stop:
            await self._wait(self._entry.token_seconds if self._at else self._entry.prefill_seconds)
            self._advance()
        return self._output(start)

    def _advance(self) -> None:
        """One token further. Raises what the script has for this place."""
        if self._death.is_set():
            raise Unavailable("the engine has died")
        if self._entry.fail is not None and self._at == self._entry.fail_at:
            raise scripted_error(self._entry.fail)
        if self._at == self._entry.die_at:
            self._death.set()
            raise Unavailable("the engine has died")
        self._at += 1

    def _output(self, start: int) -> ReplayOutput:
        """Everything from `start` up to where the playback has come."""
        choices = [self._choice(index, line, start, self._at) for index, line in enumerate(self._lines)]
        output = ReplayOutput(
            [choice for choice in choices if choice is not None],
            self._at == self._length,
            prompt_token_ids=self._prompt_token_ids,
            prompt_logprobs=self._prompt_logprobs() if start == 0 else None,
        )
        self._on_step(output)
        return output

    async def abort(self) -> None:
        """Nothing is held."""

    async def _wait(self, seconds: float) -> None:
        """Let the time pass, or less when the engine dies meanwhile. Always gives way to other requests."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._death.wait()

    def _choice(self, index: int, line: Line, start: int, stop: int) -> ReplayChoice | None:
        ends = start <= max(0, len(line.tokens) - 1) < stop
        tokens = line.tokens[start:stop]
        if not tokens and not ends:
            return None
        return ReplayChoice(
            index,
            "".join(token.text for token in tokens),
            [token.id for token in tokens],
            None
            if self.plan.alternatives is None
            else [
                self._logprobs(token.id, start + offset, self.plan.alternatives) for offset, token in enumerate(tokens)
            ],
            line.finish_reason if ends else None,
            line.stop_reason if ends else None,
            self._cumulative_logprob(min(stop, len(line.tokens))),
        )

    def _cumulative_logprob(self, length: int) -> float:
        scripted = self._entry.logprobs
        rounds, rest = divmod(length, len(scripted))
        return rounds * sum(scripted) + sum(scripted[:rest])

    def _prompt_logprobs(self) -> list[Mapping[int, ReplayLogprob] | None] | None:
        alternatives = self.plan.prompt_alternatives
        if alternatives is None:
            return None
        rest = enumerate(self._prompt_token_ids[1:])
        return [None, *(self._logprobs(token_id, place, alternatives) for place, token_id in rest)]

    def _logprobs(self, token_id: int, position: int, alternatives: int) -> dict[int, ReplayLogprob]:
        """The scripted token first, then its neighbours in the vocabulary, each a little less likely."""
        scripted = self._entry.logprobs[position % len(self._entry.logprobs)]
        ids = [token_id, *(other for other in range(max(1, alternatives)) if other != token_id)]
        return {
            candidate: ReplayLogprob(scripted - rank + 1, rank, self._name(candidate))
            for rank, candidate in enumerate(ids[: max(1, alternatives)], start=1)
        }
