"""Runs a generation on the least busy Triton that has the model, and once more on another if the first is lost before any
content has come."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial

from gateway import request_record
from gateway.errors import Unavailable
from gateway.generation import Accepted, Backpressure, Delta, GenerationOutput, GenerationRequest, OutputSink, usage_of
from gateway.ids import new_id
from gateway.limits import callers
from gateway.limits.admission import Permit
from gateway.limits.quota import Reservation
from gateway.models.catalog import Catalog
from gateway.models.health import Health, LastSuccess
from gateway.request_record import RequestRecord
from gateway.triton.generate import generate

log = logging.getLogger(__name__)


class Dispatcher:
    """Runs generations and counts what they use."""

    def __init__(
        self, catalog: Catalog, health: Health, *, stall_timeout_s: float, separate_caches: bool = False
    ) -> None:
        """`separate_caches`: what one caller's prompts have left in the engine's prefix cache is of no use to another."""
        self._catalog = catalog
        self._health = health
        self._stall_timeout_s = stall_timeout_s
        self._separate_caches = separate_caches

    async def generate(self, request: GenerationRequest, permit: Permit, sink: OutputSink) -> None:
        """Generate, and hand the outputs to `sink`: one `Accepted`, even if a second Triton was needed, then the content.

        `permit` proves that the request was admitted; its owner releases it. Raises GatewayError, and whatever `sink`
        raises. If a Triton is lost before the first content, another one that has the model is tried; after it the error is
        final, because the client has already received part of the answer.
        """
        record = request_record.current()
        reservation = permit.reserve(request.most_tokens)
        if self._separate_caches:
            # vLLM hashes it into the blocks of the cache. Clients can't set it, so the name of the key will do.
            salted = {**request.sampling_params, "cache_salt": callers.caller.get().name}
            request = replace(request, sampling_params=salted)
        replicas = self._catalog.replicas(request.lora or request.model)[:2]
        counted = CountedSink(sink, request.model, record, self._health.last_success(request.model), reservation)
        for attempt, client in enumerate(replicas):
            counted.begin()
            try:
                await generate(
                    client,
                    request,
                    counted,
                    stall_timeout_s=self._stall_timeout_s,
                    is_lost=partial(self._health.is_lost, request.model),
                )
                return
            except Unavailable:
                if counted.has_content or attempt + 1 == len(replicas):
                    raise
                log.warning("%s lost a request before its first token; trying another", client.address)
                record.retried(request.model)
                request = replace(request, request_id=new_id())


class CountedSink:
    """Notes what comes of a generation, over its attempts, and hands it on; `Accepted` once."""

    __slots__ = (
        "_accepted",
        "_began",
        "_last_success",
        "_model",
        "_now",
        "_record",
        "_reservation",
        "_sink",
        "has_content",
    )

    def __init__(
        self,
        sink: OutputSink,
        model: str,
        record: RequestRecord,
        last_success: LastSuccess,
        reservation: Reservation | None,
    ) -> None:
        self.has_content = False
        self._accepted = False
        self._began = 0.0
        self._sink = sink
        self._model = model
        self._record = record
        self._last_success = last_success
        self._reservation = reservation
        self._now = time.time

    def begin(self) -> None:
        """A new attempt begins."""
        self._began = time.monotonic()

    def take(self, outputs: list[GenerationOutput]) -> Backpressure:
        """See `OutputSink`."""
        if self._reservation is not None:
            self._reservation.count(outputs)
        new = outputs if self.has_content else self._first(outputs)
        if self.has_content:
            self._last_success.at = self._now()
        if (usage := usage_of(outputs)) is not None:
            self._record.used(self._model, prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens)
        return self._sink.take(new) if new else None

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        """See `OutputSink`. It is called for each token: it notes what is to be noted of one, and no more."""
        if not self.has_content:
            return self.take([Delta(choice, text, token_count, None)])
        self._last_success.at = self._now()
        if self._reservation is not None:
            self._reservation.used += token_count
        return self._sink.take_text(choice, text, token_count)

    def _first(self, outputs: list[GenerationOutput]) -> list[GenerationOutput]:
        """Note how the generation begins; what of it is new to the client."""
        new = [output for output in outputs if not (self._accepted and isinstance(output, Accepted))]
        for output in outputs:
            if isinstance(output, Accepted):
                self._accepted = True
                self._record.accepted()
            else:
                self.has_content = True
        if self.has_content:
            self._record.first_token(self._model, time.monotonic() - self._began)
        return new
