"""A generating model on `vllm_custom`: by a session where its backend has them, else each request on a call of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from gateway.generation import Backpressure, GenerationRequest, Messages, OutputSink, usage_of
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.records import read_records, to_outputs
from gateway.triton.session import Session
from gateway.triton.stall import StallWatch, never
from gateway.triton.tensors import envelope_request


def new_rid() -> str:
    """An id that is never reused."""
    return uuid.uuid4().hex


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
    take: OutputSink,
    *,
    stall_timeout_s: float,
    is_lost: Callable[[], bool] = never,
) -> None:
    """Hand what the model makes of a prompt to `take`: one list per message of Triton's, several outputs when it was busy.

    Returns after the `End` that carries the usage. Raises GatewayError: what the engine refused, Unavailable when the stream
    ended before that, UpstreamTimeout when nothing came for `stall_timeout_s`; and what `take` raises. Cancelling it aborts
    in the engine.
    """
    session = client.sessions.get(request.model)
    if session is None:
        await _directly(client, request, take, stall_timeout_s, is_lost)
    else:
        await _by_session(client, session, request, take, stall_timeout_s, is_lost)


async def _directly(
    client: TritonClient,
    request: GenerationRequest,
    take: OutputSink,
    stall_timeout_s: float,
    is_lost: Callable[[], bool],
) -> None:
    choices = request.sampling_params.get("n", 1)
    stream = client.stream(generate_request(request), stall_timeout_s=stall_timeout_s, is_lost=is_lost)
    async with aclosing(stream) as responses:
        async for response in responses:
            outputs, error = to_outputs(read_records(response), choices)
            blocked = take(outputs) if outputs else None
            if error is not None:
                raise error
            if usage_of(outputs) is not None:
                return
            if blocked is not None:
                await asyncio.wait((blocked,))  # not cancelled with us: others may wait for it as well
    raise status.unavailable()


async def _by_session(
    client: TritonClient,
    session: Session,
    request: GenerationRequest,
    take: OutputSink,
    stall_timeout_s: float,
    is_lost: Callable[[], bool],
) -> None:
    choices = request.sampling_params.get("n", 1)
    has_ended = False

    def consume(records: list[list[Any]]) -> Backpressure:
        nonlocal has_ended
        watch.waiting()
        outputs, error = to_outputs(records, choices)
        blocked = take(outputs) if outputs else None
        is_complete = usage_of(outputs) is not None
        has_ended = is_complete or records[-1][1] == "error"
        if error is not None:
            box.fail(error)
        elif is_complete:
            box.finish()
        elif blocked is not None:
            watch.busy()
            blocked.add_done_callback(lambda _: watch.waiting())
        return blocked

    box = session.post(request.request_id, generate_request(request, session.sid), consume)
    client.in_flight += 1
    watch = StallWatch(stall_timeout_s, lambda: box.fail(watch.error or status.timed_out()), is_lost=is_lost)
    try:
        await box.until_end()
    finally:
        watch.close()
        client.in_flight -= 1
        session.leave(box, ended=has_ended)
