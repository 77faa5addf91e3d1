"""What a worker of the gateway holds in memory with one language model: at rest, for an open stream, and afterwards."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import subjects
from benchmarks.cost import Bench
from benchmarks.environment import say
from benchmarks.sources import OPENING, SILENT, STEADY, Pace, triton_source
from benchmarks.subjects import Subject
from benchmarks.table import table
from benchmarks.triton_source import MODEL

STREAMS = 1000
_SETTLE_S = 3.0


@dataclass(frozen=True)
class Memory:
    """Resident megabytes of a worker, and kilobytes a stream beyond that. `after`: when all streams are gone again."""

    worker_mb: float
    idle_stream_kb: float
    active_stream_kb: float
    after_mb: float


def measure(bench: Bench) -> Memory:
    """A thousand streams at once, twice: once as they are when nothing comes, once with tokens."""
    say(f"memory of {STREAMS} streams")
    folder, on = bench.load.folder, bench.cores
    with ExitStack() as stack:
        source = stack.enter_context(triton_source(folder, on.others, [MODEL]))
        subject = stack.enter_context(subjects.gateway(source, folder, on.measured))
        bench.warm_up(subject)
        time.sleep(_SETTLE_S)
        before = subject.program.memory()
        idle = _with_streams(bench, subject, SILENT)
        active = _with_streams(bench, subject, STEADY)
        time.sleep(_SETTLE_S)
        after = subject.program.memory()
    return Memory(
        worker_mb=round(before / 1e6, 1),
        idle_stream_kb=round((idle - before) / STREAMS / 1e3, 1),
        active_stream_kb=round((active - before) / STREAMS / 1e3, 1),
        after_mb=round(after / 1e6, 1),
    )


def _with_streams(bench: Bench, subject: Subject, pace: Pace) -> int:
    """Bytes while they are open."""
    subject.source.set(OPENING)
    with bench.load.held(subject.port, subject.model, streams=STREAMS):
        subject.source.set(pace)
        time.sleep(_SETTLE_S)
        return subject.program.memory()


def memory_table(memory: Memory) -> str:
    head = ["memory of a worker", "MB at rest", f"kB a stream of {STREAMS} idle", "active", "MB afterwards"]
    row = ["gateway", memory.worker_mb, memory.idle_stream_kb, memory.active_stream_kb, memory.after_mb]
    return table(head, [row])
