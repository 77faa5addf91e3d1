"""What a program used between two moments, and what else the machine did meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Cores, Running

BUSY_LIMIT = 0.8
"""Where the other cores had more to do than this, the source or the client may have been what was slow."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """`others_busy`: how much of the cores of source and client was in use. `foreign`: how much of the measured cores was in
    use by something else than the program."""

    cpu_seconds: float
    seconds: float
    others_busy: float
    foreign: float


class Meter:
    """Runs from when it is made."""

    def __init__(self, program: Running, cores: Cores) -> None:
        self._program = program
        self._cores = cores
        self._busy = _busy_seconds()
        self._cpu = program.cpu()
        self._begun = time.monotonic()

    def read(self) -> Usage:
        """Since then."""
        seconds = time.monotonic() - self._begun
        used = self._program.cpu() - self._cpu
        busy = [now - before for now, before in zip(_busy_seconds(), self._busy, strict=True)]
        measured = _sum_of(busy, self._cores.measured)
        others = _sum_of(busy, self._cores.others)
        return Usage(
            cpu_seconds=used,
            seconds=seconds,
            others_busy=round(others / seconds / len(self._cores.others), 2),
            foreign=round(max(0.0, measured - used) / seconds / len(self._cores.measured), 2),
        )


def _busy_seconds() -> list[float]:
    """Of each core, since the machine started; what a host has taken away counts as busy."""
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    cores = [list(map(int, line[1:])) for line in lines if line[0].startswith("cpu") and line[0] != "cpu"]
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user
    return [(sum(each[:3]) + sum(each[5:8])) / _TICKS for each in cores]


def _sum_of(values: Sequence[float], cores: Sequence[int]) -> float:
    return sum(values[core] for core in cores)
