"""A generating model on `vllm_custom`: by a session where its backend has them, else each request on a call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from gateway.errors import GatewayError
from gateway.generation import Backpressure, GenerationRequest, Messages, OutputSink, usage_of
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.records import KIND, hand_on, read_records, to_outputs
from gateway.triton.session import Session
from gateway.triton.stall import StallWatch, never
from gateway.triton.tensors import envelope_request


def generate_request(request: GenerationRequest, session: str | None = None) -> Any:
    """The ModelInferRequest of a generation, which may name the session by which it is answered."""
    envelope: dict[str, Any] = {
        "op": "generate",
        "rid": request.request_id,
        "api": request.api,
        "body": request.sampling_params,
    }
    if request.lora is not None:
        envelope["lora"] = request.lora
    if session is not None:
        envelope["session"] = session
    if isinstance(request.unrendered, Messages):
        envelope["messages"] = request.unrendered.messages
        return envelope_request(request.model, envelope, media=request.unrendered.images)
    if request.unrendered is not None:
        envelope["prompt"] = request.unrendered
    return envelope_request(request.model, envelope, request.prompt_token_ids)


async def generate(
    client: TritonClient,
    request: GenerationRequest,
    sink: OutputSink,
    *,
    stall_timeout_s: float,
    is_lost: Callable[[], bool] = never,
) -> None:
    """Hand what the model makes of a prompt to `sink`: one list per message of Triton's, several outputs when it was busy.

    Returns after the `End` that carries the usage. Raises GatewayError: what the engine refused, Unavailable when the
    stream ended before that, UpstreamTimeout when nothing came for `stall_timeout_s`; and what `sink` raises. Cancelling it
    aborts in the engine.
    """
    session = client.sessions.get(request.model)
    if session is None:
        await _directly(client, request, sink, stall_timeout_s, is_lost)
    else:
        await _by_session(client, session, request, sink, stall_timeout_s, is_lost)


class _Reader:
    """Reads the records of one request and hands what they say to its sink. `is_complete`: all was said. `error`: the
    answer broke off, by the engine's own word where it `was_refused`."""

    __slots__ = ("_sink", "choices", "error", "is_complete", "was_refused")

    def __init__(self, request: GenerationRequest, sink: OutputSink) -> None:
        self.choices: int = request.sampling_params.get("n", 1)
        self.is_complete = False
        self.was_refused = False
        self.error: GatewayError | None = None
        self._sink = sink

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        """Hand on plain text."""
        return self._sink.take_text(choice, text, token_count)

    def take(self, records: list[list[Any]]) -> Backpressure:
        """Hand on what the records say, up to the first that can't be read. Raises what the sink does."""
        outputs, self.error = to_outputs(records, self.choices)
        blocked = self._sink.take(outputs) if outputs else None
        self.is_complete = usage_of(outputs) is not None
        self.was_refused = records[-1][KIND] == "error" if records else False
        return blocked


async def _directly(
    client: TritonClient,
    request: GenerationRequest,
    sink: OutputSink,
    stall_timeout_s: float,
    is_lost: Callable[[], bool],
) -> None:
    reader = _Reader(request, sink)
    stream = client.stream(generate_request(request), stall_timeout_s=stall_timeout_s, is_lost=is_lost)
    async with aclosing(stream) as responses:
        async for response in responses:
            blocked = hand_on(read_records(response), reader)
            if reader.error is not None:
                raise reader.error
            if reader.is_complete:
                return
            if blocked is not None:
                await asyncio.wait((blocked,))  # not cancelled with us: others may wait for it as well
    raise status.unavailable()


async def _by_session(
    client: TritonClient,
    session: Session,
    request: GenerationRequest,
    sink: OutputSink,
    stall_timeout_s: float,
    is_lost: Callable[[], bool],
) -> None:
    reader = _Reader(request, sink)
    box = session.post(request.request_id, generate_request(request, session.sid), reader)
    client.in_flight += 1
    watch = StallWatch(box, stall_timeout_s, lambda: box.fail(watch.error or status.timed_out()), is_lost=is_lost)
    try:
        await box.until_end()
    finally:
        watch.close()
        client.in_flight -= 1
        session.leave(box, ended=reader.is_complete or reader.was_refused)
