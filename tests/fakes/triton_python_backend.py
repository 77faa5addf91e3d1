"""The part of Triton's Python API that a backend touches, with the rules that Triton enforces by crashing.

A sender refuses everything after the final response, two sends at once, and being asked for a cancellation once the
request has gone: each is recorded as a violation, so that a test fails even where the backend swallows the exception.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

MODULE = "triton_python_backend_utils"
FINAL = 1


class TritonModelException(Exception):
    pass


class Tensor:
    def __init__(self, name: str, array: np.ndarray) -> None:
        self._name = name
        self._array = array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class TritonError:
    """Codes by their own names, so that a test reads them."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG = "UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARG"
    UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS", "CANCELLED"

    def __init__(self, message: str, code: str = INTERNAL) -> None:
        self.message = message
        self.code = code


class InferenceResponse:
    def __init__(self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> None:
        self.tensors = {tensor.name(): tensor.as_numpy() for tensor in output_tensors}
        self.error = error


class ResponseSender:
    """Collects what a request is answered. `on_send` runs inside each send, and may block or raise."""

    def __init__(self, on_send: Callable[[int], None] | None = None) -> None:
        self.responses: list[list[list[Any]]] = []
        self.parts: list[bytes | None] = []
        # What an official request is answered: the tensors of each response as lists, and the error that ended it.
        self.outputs: list[dict[str, list[Any]]] = []
        self.error: TritonError | None = None
        self.vectors: Any = None
        self.violations: list[str] = []
        self.finals = 0
        self.polls = 0
        self.polled = threading.Event()
        self.done = threading.Event()
        self.cancelled = False
        self.on_send = on_send
        self._changed = threading.Condition()
        self._sending = threading.Lock()

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if not self._sending.acquire(blocking=False):
            self._violate("two sends at once")
        try:
            if self.done.is_set():
                self._violate("sent after the final response")
            if self.on_send is not None:
                self.on_send(len(self.responses))
            self._take(response, flags)
        finally:
            self._sending.release()

    def is_cancelled(self) -> bool:
        if self.done.is_set():
            self._violate("asked after the final response")
        self.polls += 1
        self.polled.set()
        return self.cancelled

    def records(self) -> list[list[Any]]:
        with self._changed:
            return [record for response in self.responses for record in response]

    def wait_until(self, condition: Callable[[list[list[list[Any]]]], Any], timeout: float = 10.0) -> Any:
        """What `condition` gives for the responses so far, each a list of records, as soon as that is true."""
        with self._changed:
            found = self._changed.wait_for(lambda: condition(self.responses), timeout)
            assert found, f"not in {self.responses}"
        return found

    def wait_for(self, kind: str, timeout: float = 10.0, *, rid: str | None = None) -> list[Any]:
        """The first record of this kind, of any request or of this one, as soon as it is sent."""

        def first(responses: list[list[list[Any]]]) -> list[Any] | None:
            records = (record for response in responses for record in response)
            return next((each for each in records if each[1] == kind and rid in (None, each[0])), None)

        return self.wait_until(first, timeout)

    def sent(self) -> list[list[list[Any]]]:
        """The responses so far, each a list of records."""
        with self._changed:
            return list(self.responses)

    def finish(self, timeout: float = 10.0) -> list[list[Any]]:
        """All records, once the final response is there; fails if any rule was broken."""
        assert self.done.wait(timeout), f"no final response, only {self.records()}"
        assert not self.violations
        assert self.finals == 1
        return self.records()

    def wait_for_output(self, timeout: float = 10.0) -> dict[str, list[Any]]:
        """The first response of an official request, as soon as it is sent."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.outputs, timeout), "no response"
        return self.outputs[0]

    def finish_outputs(self, timeout: float = 10.0) -> list[dict[str, list[Any]]]:
        """All responses of an official request that did not fail."""
        self.finish(timeout)
        assert self.error is None, self.error.message
        return self.outputs

    def finish_error(self, timeout: float = 10.0) -> tuple[str, str]:
        """Code and text of the error that an official request ends with."""
        self.finish(timeout)
        assert self.error is not None, self.outputs
        return self.error.code, self.error.message

    def _take(self, response: InferenceResponse | None, flags: int) -> None:
        tensors = {} if response is None else response.tensors
        part = tensors.get("part")
        with self._changed:
            self.responses.append(json.loads(tensors["records"][0]) if "records" in tensors else [])
            self.vectors = tensors.get("vectors", self.vectors)
            self.parts.append(None if part is None else part[0])
            if response is not None and response.error is not None:
                self.error = response.error
            elif "records" not in tensors and tensors:
                self.outputs.append({name: array.tolist() for name, array in tensors.items()})
            if flags & FINAL:
                self.finals += 1
                self.done.set()
            self._changed.notify_all()

    def _violate(self, what: str) -> None:
        self.violations.append(what)
        raise TritonModelException(what)


class InferenceRequest:
    """A request with these tensors; `request` may be given as the envelope itself."""

    def __init__(
        self,
        envelope: Any = None,
        *,
        token_ids: Any = None,
        media: Sequence[bytes] = (),
        tensors: Sequence[Tensor] = (),
        sender: ResponseSender | None = None,
        parameters: str = "",
        timeout_us: int = 0,
    ) -> None:
        self._parameters = parameters
        self.sender = sender or ResponseSender()
        self._timeout_us = timeout_us
        self._tensors = list(tensors)
        if envelope is not None:
            raw = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
            self._tensors.append(Tensor("request", np.array([raw], dtype=np.object_)))
        if token_ids is not None:
            self._tensors.append(Tensor("token_ids", np.asarray(token_ids, dtype=np.int32)))
        if media:
            self._tensors.append(Tensor("media", np.array(list(media), dtype=np.object_)))

    def inputs(self) -> list[Tensor]:
        return self._tensors

    def parameters(self) -> str:
        return self._parameters

    def get_response_sender(self) -> ResponseSender:
        return self.sender

    def timeout(self) -> int:
        return self._timeout_us


class Metric:
    """One series. `registry` plays Triton, which keeps the values when a stub has gone."""

    def __init__(self, registry: dict[Any, float], key: Any) -> None:
        self._registry = registry
        self._key = key
        registry.setdefault(key, 0.0)

    def increment(self, amount: float) -> None:
        self._registry[self._key] += amount

    def value(self) -> float:
        return self._registry[self._key]


class MetricFamily:
    """`registry` maps (name, labels) to a value; with `refuses` set, Triton was started without metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    registry: ClassVar[dict[Any, float]] = {}
    kinds: ClassVar[dict[str, str]] = {}
    refuses: ClassVar[bool] = False

    def __init__(self, name: str, description: str, kind: str) -> None:
        if MetricFamily.refuses:
            raise TritonModelException("metrics are off")
        self._name = name
        MetricFamily.kinds[name] = kind

    def Metric(self, labels: dict[str, str]) -> Metric:
        return Metric(MetricFamily.registry, (self._name, tuple(sorted(labels.items()))))


class ModelConfig:
    """Triton's helper for auto-completion: it takes whatever does not contradict what is written."""

    def __init__(self, written: dict[str, Any]) -> None:
        self._config: dict[str, Any] = {"name": "toy", "max_batch_size": 0, "input": [], "output": [], **written}

    def as_dict(self) -> dict[str, Any]:
        return self._config

    def set_max_batch_size(self, size: int) -> None:
        if self._config["max_batch_size"] > size:
            raise ValueError("max_batch_size is set to more")
        self._config["max_batch_size"] = size

    def add_input(self, tensor: dict[str, Any]) -> None:
        self._add("input", tensor)

    def add_output(self, tensor: dict[str, Any]) -> None:
        self._add("output", tensor)

    def set_model_transaction_policy(self, policy: dict[str, Any]) -> None:
        if self._config.setdefault("model_transaction_policy", policy) != policy:
            raise ValueError("the transaction policy is set otherwise")

    def _add(self, kind: str, tensor: dict[str, Any]) -> None:
        if any(known["name"] == tensor["name"] for known in self._config[kind]):
            raise ValueError(f"{tensor['name']} is there already")
        self._config[kind].append(tensor)


@contextmanager
def installed() -> Iterator[None]:
    """Let `import triton_python_backend_utils` find this fake; afterwards what was there before is there again."""
    module: Any = ModuleType(MODULE)
    things = (
        Tensor,
        InferenceResponse,
        InferenceRequest,
        ResponseSender,
        ModelConfig,
        MetricFamily,
        Metric,
        TritonError,
        TritonModelException,
    )
    for thing in things:
        setattr(module, thing.__name__, thing)
    module.TRITONSERVER_RESPONSE_COMPLETE_FINAL = FINAL
    before = sys.modules.get(MODULE)
    sys.modules[MODULE] = module
    try:
        yield
    finally:
        del sys.modules[MODULE]
        if before is not None:
            sys.modules[MODULE] = before
