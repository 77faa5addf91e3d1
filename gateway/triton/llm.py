"""A generating model on `vllm_custom`: by a session where its backend has them, else each request on a call of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from gateway.generation import GenerationOutput, GenerationRequest, usage_of
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.records import read_records, to_outputs
from gateway.triton.session import Session
from gateway.triton.stall import StallWatch
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
    return envelope_request(request.model, envelope, request.prompt_token_ids)


def generate(
    client: TritonClient,
    request: GenerationRequest,
    *,
    stall_timeout_s: float,
    is_lost: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[list[GenerationOutput], None]:
    """What the model makes of a prompt, one list per message of Triton's: several outputs when it was busy.

    Ends after the `End` that carries the usage. Raises GatewayError: what the engine refused, Unavailable when the stream
    ended before that, UpstreamTimeout when nothing came for `stall_timeout_s`. Leaving early aborts in the engine.
    """
    session = client.sessions.get(request.model)
    if session is None:
        return _direct(client, request, stall_timeout_s, is_lost)
    return _by_session(client, session, request, stall_timeout_s, is_lost)


async def _direct(
    client: TritonClient, request: GenerationRequest, stall_timeout_s: float, is_lost: Callable[[], bool]
) -> AsyncGenerator[list[GenerationOutput], None]:
    choices = request.sampling_params.get("n", 1)
    stream = client.stream(generate_request(request), stall_timeout_s=stall_timeout_s, is_lost=is_lost)
    async with aclosing(stream) as responses:
        async for response in responses:
            outputs, error = to_outputs(read_records(response), choices)
            if outputs:
                yield outputs
            if error is not None:
                raise error
            if usage_of(outputs) is not None:
                return
    raise status.unavailable()


async def _by_session(
    client: TritonClient,
    session: Session,
    request: GenerationRequest,
    stall_timeout_s: float,
    is_lost: Callable[[], bool],
) -> AsyncGenerator[list[GenerationOutput], None]:
    choices = request.sampling_params.get("n", 1)
    box = session.post(request.request_id, generate_request(request, session.sid))
    client.in_flight += 1
    watch = StallWatch(stall_timeout_s, lambda: box.fail(watch.error or status.timed_out()), is_lost=is_lost)
    ended = False
    try:
        while not ended:
            records = await box.take()
            watch.busy()
            outputs, error = to_outputs(records, choices)
            ended = usage_of(outputs) is not None or records[-1][1] == "error"
            if outputs:
                yield outputs
            if error is not None:
                raise error
            watch.waiting()
    finally:
        watch.close()
        client.in_flight -= 1
        session.leave(box, ended=ended)
