"""Clients of NVIDIA's own vLLM backend, unchanged, on the real engine: what its samples and its tests do."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aio
from tritonclient.utils import InferenceServerException

from tests.integration.conftest import CHAT_MODEL, System

GREEDY = {"temperature": "0", "top_p": "1"}
PROMPT = "The capital of France is"


def texts(name: str, value: str) -> Any:
    tensor = grpcclient.InferInput(name, [1], "BYTES")
    return tensor.set_data_from_numpy(np.array([value.encode()], dtype=np.object_))


def flag(name: str, value: bool) -> Any:
    return grpcclient.InferInput(name, [1], "BOOL").set_data_from_numpy(np.array([value]))


async def infer(
    system: System, sampling: dict[str, Any], *, as_tensor: bool = True, **flags: bool
) -> list[dict[str, Any]]:
    """The responses of one request as lists by tensor; raises its error."""
    inputs = [texts("text_input", PROMPT), *(flag(name, value) for name, value in flags.items())]
    if as_tensor:
        inputs.append(texts("sampling_parameters", json.dumps(sampling)))
    request = {
        "model_name": CHAT_MODEL,
        "inputs": inputs,
        "parameters": None if as_tensor else sampling,
        "enable_empty_final_response": True,
    }

    async def requests() -> Any:
        yield request

    responses: list[dict[str, Any]] = []
    async with aio.InferenceServerClient(system.triton_address) as client:
        stream = client.stream_infer(requests())
        async for result, error in stream:
            if error is not None:
                raise error
            response = result.get_response()
            responses.append({output.name: result.as_numpy(output.name).tolist() for output in response.outputs})
            if response.parameters["triton_final_response"].bool_param:
                stream.cancel()
                break
    return responses


def test_default_answer_has_the_prompt_before_it(system: System) -> None:
    """One response of sixteen tokens, by parameters in a tensor and by those of the request alike."""
    (by_tensor,) = asyncio.run(infer(system, GREEDY))
    (by_request,) = asyncio.run(infer(system, GREEDY, as_tensor=False))
    assert by_tensor == by_request
    assert by_tensor["text_output"][0].startswith(b"The capital of France is Paris")


def test_stream_has_a_token_a_response_and_every_output(system: System) -> None:
    """On an idle server, with the reason in the last response, which carries the final flag itself."""
    outputs = {
        f"return_{name}": True
        for name in ("finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens")
    }
    sampling = {**GREEDY, "max_tokens": "8", "logprobs": "1"}
    responses = asyncio.run(infer(system, sampling, stream=True, **outputs))
    assert sum(response["num_output_tokens"][0] for response in responses) == 8
    assert all(response["num_output_tokens"][0] > 0 for response in responses)
    assert [response["finish_reason"] for response in responses][-2:] == [[b"None"], [b"length"]]
    assert all(json.loads(response["logprobs"][0]) for response in responses)
    assert responses[-1]["cumulative_logprob"][0] < responses[0]["cumulative_logprob"][0] < 0
    (whole,) = asyncio.run(infer(system, sampling, exclude_input_in_output=True))
    assert b"".join(response["text_output"][0] for response in responses) == whole["text_output"][0]


@pytest.mark.parametrize("stream", [True, False])
def test_choices_are_kept_apart(system: System, stream: bool) -> None:
    """Three different texts of the same length, the same whether streamed or not."""
    sampling = {"n": "3", "seed": "7", "temperature": "1", "max_tokens": "6"}
    flags = {"exclude_input_in_output": True, "return_num_output_tokens": True, "stream": stream}
    responses = asyncio.run(infer(system, sampling, **flags))
    said = [b"".join(response["text_output"][choice] for response in responses) for choice in range(3)]
    assert len(set(said)) == 3
    assert [sum(response["num_output_tokens"][choice] for response in responses) for choice in range(3)] == [6, 6, 6]


def test_structured_outputs_bind_the_answer(system: System) -> None:
    """As the text that NVIDIA's clients send."""
    sampling = {**GREEDY, "structured_outputs": json.dumps({"choice": ["yes", "no"]})}
    (response,) = asyncio.run(infer(system, sampling, exclude_input_in_output=True))
    assert response["text_output"][0] in (b"yes", b"no")


@pytest.mark.parametrize(
    ("sampling", "flags", "message"),
    [
        (
            GREEDY,
            {"stream": True, "exclude_input_in_output": False},
            "Error generating stream: When streaming, `exclude_input_in_output` = False is not allowed.",
        ),
        ({"frob": 1}, {}, "'frob' is not a sampling parameter of this engine"),
        ({"temperature": "-1"}, {}, "temperature must be non-negative, got -1.0"),
        ({"lora_name": "alpaca"}, {}, "LoRA feature is not enabled."),
    ],
)
def test_error_says_what_is_wrong(
    system: System, sampling: dict[str, Any], flags: dict[str, bool], message: str
) -> None:
    """In the words that NVIDIA's clients know, or with the parameter's name."""
    with pytest.raises(InferenceServerException, match=re.escape(message)):
        asyncio.run(infer(system, sampling, **flags))
