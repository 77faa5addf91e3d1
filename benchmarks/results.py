"""One run of all benchmarks, as it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.alone import Alone
from benchmarks.load import Seen
from benchmarks.memory import Memory
from benchmarks.prompts import PromptCost
from benchmarks.streams import Streams
from benchmarks.whole import Whole

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Results:
    """What was measured, each part None where it was left out. `generator` is the load generator before the source that the
    peers have, with nothing between. `failed` says why a part is missing that was asked for."""

    machine: dict[str, str]
    generator: Seen | None
    alone: Alone | None
    streams: Streams | None
    memory: Memory | None
    whole: Whole | None
    prompts: list[PromptCost] | None = None
    failed: dict[str, str] = field(default_factory=dict[str, str])


def write(results: Results, path: Path) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def read(path: Path) -> Results:
    """What `write` wrote."""
    return TypeAdapter(Results).validate_json(path.read_bytes())
