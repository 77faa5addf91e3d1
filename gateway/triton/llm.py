"""A generating model on `vllm_custom`: direct travel, one inference stream per request."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from gateway.generation import GenerationOutput, GenerationRequest, usage_of
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.records import read_records, to_outputs
from gateway.triton.tensors import envelope_request


def new_rid() -> str:
    """An id that is never reused."""
    return uuid.uuid4().hex


def generate_request(request: GenerationRequest) -> Any:
    """The ModelInferRequest of a generation."""
    envelope: dict[str, Any] = {
        "op": "generate",
        "rid": request.request_id,
        "api": request.api,
        "body": request.sampling_params,
    }
    if request.lora is not None:
        envelope["lora"] = request.lora
    return envelope_request(request.model, envelope, request.prompt_token_ids)


async def generate(
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
    choices = request.sampling_params.get("n", 1)
    async with aclosing(client.stream(generate_request(request), stall_timeout_s=stall_timeout_s)) as responses:
        async for response in responses:
            outputs, error = to_outputs(read_records(response), choices)
            if outputs:
                yield outputs
            if error is not None:
                raise error
            if usage_of(outputs) is not None:
                return
    raise status.unavailable()
