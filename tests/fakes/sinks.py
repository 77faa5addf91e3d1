"""An `OutputSink` that keeps what comes, and one that hands it to a function."""

from __future__ import annotations

from collections.abc import Callable

from gateway.generation import Backpressure, Delta, GenerationOutput


class FunctionSink:
    """Hands every output to `take`, plain text as the `Delta` that it stands for."""

    def __init__(self, take: Callable[[list[GenerationOutput]], Backpressure]) -> None:
        self._take = take

    def take(self, outputs: list[GenerationOutput]) -> Backpressure:
        return self._take(outputs)

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        return self._take([Delta(choice, text, token_count, None)])


class KeepingSink(FunctionSink):
    """What came, in order."""

    def __init__(self) -> None:
        self.outputs: list[GenerationOutput] = []
        super().__init__(self.outputs.extend)
