"""Stands in for `triton_python_backend_utils`, which exists only inside Triton: the parts that our models touch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

FINAL = 1


@dataclass
class Tensor:
    _name: str
    _array: np.ndarray

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class TritonError:
    INTERNAL, INVALID_ARG = 1, 3

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message, self._code = message, code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


@dataclass
class InferenceResponse:
    output_tensors: list[Tensor] = field(default_factory=list)
    error: TritonError | None = None

    def array(self, name: str) -> np.ndarray:
        return next(tensor.as_numpy() for tensor in self.output_tensors if tensor.name() == name)


class ResponseSender:
    """Refuses what Triton refuses: anything after the final response."""

    def __init__(self) -> None:
        self.sent: list[InferenceResponse] = []
        self.final = False
        self.cancelled = False

    def send(self, response: InferenceResponse, flags: int = 0) -> None:
        assert not self.final, "sent after the final response"
        self.sent.append(response)
        self.final = flags == FINAL

    def is_cancelled(self) -> bool:
        return self.cancelled


class InferenceRequest:
    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.tensors = {name: Tensor(name, array) for name, array in arrays.items()}
        self.sender = ResponseSender()

    def get_response_sender(self) -> ResponseSender:
        return self.sender


class TritonModelException(Exception):
    """What a model raises when it cannot be loaded."""


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return request.tensors.get(name)


def install() -> None:
    """Let `import triton_python_backend_utils` find these parts."""
    module: Any = ModuleType("triton_python_backend_utils")
    module.TRITONSERVER_RESPONSE_COMPLETE_FINAL = FINAL
    for part in (Tensor, TritonError, InferenceResponse, InferenceRequest, ResponseSender, TritonModelException):
        setattr(module, part.__name__, part)
    module.get_input_tensor_by_name = get_input_tensor_by_name
    sys.modules["triton_python_backend_utils"] = module
