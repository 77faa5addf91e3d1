"""A generation on the Triton that suits, tried once elsewhere when that one fails before it has said anything."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial

from gateway import metrics
from gateway.errors import Unavailable
from gateway.generation import (
    Accepted,
    Backpressure,
    GenerationOutput,
    GenerationRequest,
    OutputSink,
    TextSink,
    usage_of,
)
from gateway.limits import callers
from gateway.limits.admission import Permit
from gateway.limits.quota import Reservation
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.triton import llm

log = logging.getLogger(__name__)


class Dispatcher:
    """Runs generations, and counts what they use."""

    def __init__(
        self, catalog: Catalog, health: Health, *, stall_timeout_s: float, separate_caches: bool = False
    ) -> None:
        """`separate_caches`: what one caller's prompts have left in the engine's prefix cache is of no use to another."""
        self._catalog = catalog
        self._health = health
        self._stall_timeout_s = stall_timeout_s
        self._separate_caches = separate_caches

    async def generate(self, request: GenerationRequest, permit: Permit, sink: OutputSink) -> None:
        """Hand what the model makes of the prompt to `sink`; one `Accepted`, however often it was tried.

        `permit` is the proof of admission; who acquired it gives it back. Raises GatewayError, and what `sink` raises. A
        Triton that is lost before the first content costs the client nothing where another has the model; after it the
        error stands, since what was said can't be taken back.
        """
        reservation = permit.reserve(request.most_tokens)
        if self._separate_caches:
            # vLLM hashes it into the blocks of the cache. Clients can't set it, so the name of the key will do.
            salted = {**request.sampling_params, "cache_salt": callers.caller.get().name}
            request = replace(request, sampling_params=salted)
        replicas = self._catalog.replicas(request.model)[:2]
        progress = _Progress()

        def see(outputs: list[GenerationOutput]) -> Backpressure:
            if reservation is not None:
                reservation.see(outputs)
            new = self._seen(request.model, outputs, progress)
            return sink.take(new) if new else None

        def texts() -> TextSink | None:
            take_text = sink.texts() if progress.has_content else None
            return None if take_text is None else self._counted(request.model, take_text, reservation)

        for attempt, client in enumerate(replicas):
            progress.begin()
            try:
                await llm.generate(
                    client,
                    request,
                    OutputSink(see, texts),
                    stall_timeout_s=self._stall_timeout_s,
                    is_lost=partial(self._health.is_lost, request.model),
                )
                return
            except Unavailable:
                if progress.has_content or attempt + 1 == len(replicas):
                    raise
                log.warning("%s lost a request before its first token; trying another", client.address)
                metrics.labelled(metrics.RETRIES, request.model).inc()
                request = replace(request, request_id=llm.new_rid())

    def _counted(self, model: str, take_text: TextSink, reservation: Reservation | None) -> TextSink:
        """What is to be noted of a plain delta, and no more: it is called for each token."""
        beacon, now = self._health.beacon(model), time.time

        def take(choice: int, text: str, tokens: int) -> Backpressure:
            beacon.last = now()
            if reservation is not None:
                reservation.used += tokens
            return take_text(choice, text, tokens)

        return take

    def _seen(self, model: str, outputs: list[GenerationOutput], progress: _Progress) -> list[GenerationOutput]:
        """Note and count what came; what of it is new to the client."""
        batch = outputs
        if not progress.has_content:
            batch = progress.see(outputs)
            if progress.has_content:
                metrics.labelled(metrics.FIRST_TOKEN_SECONDS, model).observe(progress.seconds)
        if progress.has_content:
            self._health.succeeded(model)
        if (usage := usage_of(outputs)) is not None:
            metrics.labelled(metrics.PROMPT_TOKENS, model).inc(usage.prompt_tokens)
            metrics.labelled(metrics.COMPLETION_TOKENS, model).inc(usage.completion_tokens)
        return batch


class _Progress:
    """How far a generation has come, over its attempts."""

    __slots__ = ("_began", "accepted", "has_content")

    def __init__(self) -> None:
        self.accepted = False
        self.has_content = False
        self.begin()

    def begin(self) -> None:
        """A new attempt."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the attempt began."""
        return time.monotonic() - self._began

    def see(self, outputs: list[GenerationOutput]) -> list[GenerationOutput]:
        """Note what came; what is new of it to the client."""
        new = [output for output in outputs if not (self.accepted and isinstance(output, Accepted))]
        for output in outputs:
            if isinstance(output, Accepted):
                self.accepted = True
            else:
                self.has_content = True
        return new
