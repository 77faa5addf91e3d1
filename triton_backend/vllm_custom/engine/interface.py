"""What an engine is to the rest of the backend: vLLM in engine.py, a script in replay.py."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..contract.pooling import Lora, Pool
from ..contract.request import Generate
from ..contract.response import StepOutput
from ..errors import BackendError


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine knows about itself once it has started."""

    engine: str
    engine_version: str
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a request once the engine has taken it. `alternatives` as in `response.Answer`."""

    choices: int
    prompt_tokens: int
    alternatives: int | None
    token_ids: bool
    # How many a token of the prompt, as `alternatives`.
    prompt_alternatives: int | None = None


class Vitals(NamedTuple):
    """Signs of life, cheap to read. `steps` changes whenever the engine finishes one; `unfinished` counts requests."""

    alive: bool
    steps: int
    unfinished: int


class Sink(Protocol):
    """Where an engine puts what becomes of one request. Each answer says whether to go on: False once it has ended."""

    def accepted(self, plan: Plan) -> bool: ...
    def step(self, output: StepOutput) -> bool: ...
    def failed(self, failure: BackendError) -> bool: ...


class Reply(NamedTuple):
    """The answer of an inquiry. `vectors` travel in the tensor of that name, beside the record with `value`."""

    value: Mapping[str, Any]
    vectors: NDArray[np.float32] | None = None


class Asker(Protocol):
    """Where an engine puts what becomes of an inquiry. Each answer says False when it came too late."""

    def answered(self, reply: Reply) -> bool: ...
    def failed(self, failure: BackendError) -> bool: ...


class Engine(Protocol):
    """`submit` and `abort` return at once and may be called from any thread; `start` and `stop` block."""

    def start(self) -> Facts:
        """Raises when the engine cannot serve; `stop` has to be called then too."""
        ...

    def submit(self, request: Generate, sink: Sink) -> None: ...

    def abort(self, rid: str) -> None:
        """End the work on a request; unknown ones are ignored. The sink hears nothing more that matters."""
        ...

    def ask(self, request: Pool | Lora, asker: Asker) -> None:
        """Work that has one answer; `abort` ends it too."""
        ...

    def loras(self) -> list[str] | None:
        """The names of the adapters that are loaded; None where none can be."""
        ...

    def stats(self) -> Mapping[str, Any]: ...

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
