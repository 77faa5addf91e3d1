"""Requests as NVIDIA's clients make them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender, Tensor


def official_request(
    prompt: str | None = "hello", *, sender: ResponseSender | None = None, parameters: str = "", **inputs: Any
) -> InferenceRequest:
    """`sampling` is the tensor of sampling parameters, as an object; the other inputs go by their own names."""
    if "sampling" in inputs:
        inputs["sampling_parameters"] = json.dumps(inputs.pop("sampling"))
    named = inputs if prompt is None else {"text_input": prompt, **inputs}
    tensors = [Tensor(name, _array(value)) for name, value in named.items()]
    return InferenceRequest(tensors=tensors, sender=sender, parameters=parameters)


def _array(value: Any) -> np.ndarray:
    return np.array([value]) if isinstance(value, bool) else np.array([value.encode()], dtype=np.object_)
