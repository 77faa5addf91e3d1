"""The two sources that stand behind what is measured, and the pace that both are given."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Running, build, free_ports, listens, running, wait_for
from benchmarks.system import TOKENIZER
from gateway.cli.layout import find_layout


@dataclass(frozen=True)
class Pace:
    """Each step gives a token to `streams` of the open streams in turn (0: to all); 0 seconds: as fast as they are read."""

    name: str
    step_seconds: float = 0.0
    streams: int = 0

    def per_second(self, streams: int) -> float | None:
        """How many tokens a second so many open streams are given; None where it is as many as they take."""
        return min(self.streams or streams, streams) / self.step_seconds if self.step_seconds else None


FLOODED = Pace("flooded")
PACED = Pace("paced", 0.02)
"""50 tokens a second and stream."""
STEADY = Pace("2,000 tokens/s", 0.004, 8)
"""The same total whatever the number of streams, and as many tokens in each step."""
OPENING = Pace("opening", 0.004, 2)
"""While streams are being opened, which is work enough."""
OPENING_DIRECT = Pace("opening, direct", 0.1)
"""The same for direct travel, where each step gives all streams a token: as often as above it would be more than flooded."""
SILENT = Pace("silent", 3600.0)
"""The streams are open and nothing comes."""


@dataclass(frozen=True)
class Source:
    """A source that runs."""

    program: Running
    port: int

    def set(self, pace: Pace) -> None:
        """From now on; returns when it has been heard."""
        process = self.program.process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a source is told its pace through a pipe")
        process.stdin.write(f"{round(pace.step_seconds * 1e6)} {pace.streams}\n".encode())
        process.stdin.flush()
        if process.stdout.readline() != b"ok\n":
            raise RuntimeError(f"the {self.program.name} has ended: {self.program.log.read_text()}")


@contextmanager
def sse_source(folder: Path, on: Sequence[int]) -> Generator[Source, None, None]:
    """OpenAI's protocol, for the peers."""
    [port] = free_ports(1)
    with running("sse_source", [build(folder, "sse_source"), str(port)], folder, on=on, piped=True) as program:
        yield _ready(program, port)


@contextmanager
def triton_source(folder: Path, on: Sequence[int], models: Sequence[str] = ()) -> Generator[Source, None, None]:
    """Triton's protocol and the contract's, for the gateway; with both of its models unless some are named."""
    [port] = free_ports(1)
    layout = find_layout()
    command = [sys.executable, "-m", "benchmarks.triton_source", str(port), layout.models / TOKENIZER, *models]
    with running("triton_source", command, folder, on=on, piped=True, at=layout.root) as program:
        yield _ready(program, port)


def _ready(program: Running, port: int) -> Source:
    wait_for(lambda: listens(port), [program])
    return Source(program, port)
