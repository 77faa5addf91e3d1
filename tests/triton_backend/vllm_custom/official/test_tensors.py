"""The official backend's tensors: what is read from them, and written into them."""

from __future__ import annotations

import numpy as np
import pytest
from vllm_custom.official import tensors

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender, Tensor


def test_request_without_an_envelope_is_official(official):
    """Whatever else it has; with one it is native."""
    assert tensors.is_official(official("p"))
    assert tensors.is_official(InferenceRequest())
    assert not tensors.is_official(InferenceRequest({"v": 1}))


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1)])
def test_inputs_are_rows(shape):
    """However a sample's config.pbtxt shapes them."""
    request = InferenceRequest(tensors=[Tensor("image", np.array([b"a", b"b"], np.object_).reshape(shape))])
    assert tensors.read(request)["image"].tolist() == [b"a", b"b"]


def test_outputs_have_the_declared_types():
    """One response, texts as bytes, numbers as config.pbtxt says."""
    taken = []
    sender = ResponseSender()
    sender.send = lambda response, flags: taken.append((response.tensors, flags))
    values = {tensors.TEXT_OUTPUT: [b"ab"], tensors.NUM_OUTPUT_TOKENS: [1], tensors.CUMULATIVE_LOGPROB: [-1.0]}
    tensors.respond(sender, values, final=False)
    ((arrays, flags),) = taken
    assert flags == 0
    assert arrays[tensors.TEXT_OUTPUT].tolist() == [b"ab"]
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "text_output": "object", "num_output_tokens": "uint32", "cumulative_logprob": "float32",
    }  # fmt: skip


def test_refusal_is_final_and_has_its_code():
    """One response with an error and no tensors."""
    sender = ResponseSender()
    tensors.refuse(sender, "why", "NOT_FOUND")
    assert sender.finish_error() == ("NOT_FOUND", "why")
