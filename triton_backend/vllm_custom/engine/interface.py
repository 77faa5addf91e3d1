"""What an engine is to the rest of the backend: vLLM in vllm_engine.py, a script in replay/replay_engine.py."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..contract.generate import Generate
from ..contract.lora import Lora
from ..contract.outputs import StepOutput
from ..contract.plan import Plan
from ..contract.pooling import Pool
from ..errors import BackendError


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine knows about itself once it has started."""

    engine: str
    engine_version: str
    # In tokens, prompt and answer together.
    context_length: int
    vocab_size: int
    tasks: tuple[str, ...]
    # Where its tokenizer and template lie; None when that is not a folder of this machine.
    files: Path | None
    # The names of vLLM's parsers that are in use.
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    # Whether chats have to be rendered here; else a gateway may do it, if `files` suffice.
    renders: bool = False
    # How many images a prompt may have.
    images: int = 0
    # By which clients may ask for it, besides its name in Triton.
    names: tuple[str, ...] = ()


class Vitals(NamedTuple):
    """Signs of life, cheap to read. `steps` changes whenever the engine finishes one; `unfinished` counts requests."""

    alive: bool
    steps: int
    unfinished: int


class GenerationSink(Protocol):
    """Where an engine puts the outputs of one generation. Each method says whether to go on: False once it has ended."""

    def accepted(self, plan: Plan) -> bool: ...
    def step(self, output: StepOutput) -> bool: ...
    def failed(self, failure: BackendError) -> bool: ...


class Result(NamedTuple):
    """What a request that has one result ends with. `vectors` (float32, a row an input) travel beside the record with
    `value`, in the tensor of that name."""

    value: Mapping[str, Any]
    vectors: NDArray[np.float32] | None = None


class ResultSink(Protocol):
    """Where an engine puts the one result of a request. Both return False when the request had ended before."""

    def finished(self, result: Result) -> bool: ...
    def failed(self, failure: BackendError) -> bool: ...


class Engine(Protocol):
    """The submit methods and `abort` return at once and may be called from any thread; `start` and `stop` block."""

    def start(self) -> Facts:
        """Raises when the engine cannot serve; `stop` has to be called then too."""
        ...

    def submit(self, request: Generate, sink: GenerationSink) -> None:
        """Generate; what is wrong with the request, or with the engine, the sink is given as its failure."""
        ...

    def submit_for_result(self, request: Pool | Lora, sink: ResultSink) -> None:
        """Do work that has one result; exactly one of the sink's methods is called, unless it is aborted."""
        ...

    def abort(self, rid: str) -> None:
        """End the work on a request of either kind; unknown ones are ignored. What its sink is still given is too late."""
        ...

    def loras(self) -> list[str] | None:
        """The names of the adapters that are loaded; None where none can be."""
        ...

    def stats(self) -> Mapping[str, Any]:
        """What the op `stats` reports of the engine: its name, whether it is alive, how many requests are unfinished."""
        ...

    def vitals(self) -> Vitals: ...

    def processor_seconds(self) -> float:
        """Processor time that the engine's processes and its thread here have used so far; may cost milliseconds."""
        ...

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        """Do `sleep`, `wake` or `reset_prefix_cache`; the future has what is answered, or raises."""
        ...

    def stop(self, timeout: float) -> None:
        """End everything within about `timeout` seconds. May be called twice, and after a failed start."""
        ...
