"""What it costs to tokenise when many ask at once: CPU a text, how long the event loop is held, and memory.

    .cache/envs/gateway/bin/python -m benchmarks.tokenising [TOKENIZER.JSON] [--texts N]

Runs in the gateway's environment alone. Every row is a process of its own, because the number of heaps can be set only once.
The first way is the gateway's; `a thread a caller` are asyncio's threads, from which the library used those of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from gateway import memory
from gateway.prompting.lanes import Lanes
from gateway.prompting.tokenizer import Tokenizer

_WORDS: Final = (
    "the ferry leaves harbour nine and comes back with tide weather permitting under bridge on Monday".split()
)
_CALLERS: Final = (1, 2, 4, 8, 20, 64)
_TOKENS: Final = (1000, 8000)
_OURS, _ONE_HEAP, _BEFORE, _DEFAULTS = (
    "a thread of its own, two heaps",
    "a thread of its own, one heap",
    "a thread a caller, one heap",
    "a thread a caller, many heaps",
)
_HEAPS: Final = {_OURS: 2, _ONE_HEAP: 1, _BEFORE: 1, _DEFAULTS: 0}
_M_ARENA_MAX: Final = -8
_DEFAULT: Final = Path(".cache/models/smollm2-135m-instruct/tokenizer.json")


def _text(number: int, tokens: int) -> str:
    """A text that differs from all others, of about so many tokens."""
    words = [_WORDS[(number * 7 + place * place) % len(_WORDS)] for place in range(tokens * 9 // 10)]
    return " ".join([f"No. {number}:", *words])


class _Threads(Lanes):
    """As it was: whatever thread is free, and the library's own behind it."""

    def __init__(self) -> None:
        """Without threads of its own."""
        os.environ.pop("TOKENIZERS_PARALLELISM", None)

    async def run(self, characters: int, work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(work)


async def _loop_held(stop: asyncio.Event) -> float:
    """The longest time, in milliseconds, that the loop did nothing for others."""
    longest = 0.0
    while not stop.is_set():
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - begun - 0.001)
    return longest * 1000


async def _measure(tokenizer: Tokenizer, tokens: int, callers: int, texts: int) -> dict[str, float]:
    made = [_text(number, tokens) for number in range(texts)]
    await tokenizer.encode(made[:1], add_special_tokens=False)
    left = iter(made)
    counted: list[int] = []

    async def caller() -> None:
        for text in left:
            [ids] = await tokenizer.encode([text], add_special_tokens=False)
            counted.append(len(ids))

    stop = asyncio.Event()
    watch = asyncio.create_task(_loop_held(stop))
    cpu, begun = time.process_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
    stop.set()
    return {
        "tokens": sum(counted) / texts,
        "ms": cpu / texts * 1000,
        "texts/s": texts / seconds,
        "held": await _bounded(watch),
        "most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "left": _resident_mb(),
    }


async def _bounded(watch: Awaitable[float]) -> float:
    return await asyncio.wait_for(watch, 30)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _row(file: Path, way: str, tokens: int, callers: int, texts: int) -> None:
    heaps = _HEAPS[way]
    if heaps == 2:
        memory.share_two_heaps()
    elif heaps:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, heaps)
    lanes = Lanes() if way in (_OURS, _ONE_HEAP) else _Threads()
    if way == _OURS:
        lanes.start()
    tokenizer = Tokenizer(file.read_bytes(), lanes)
    memory.give_back()
    at_rest = _resident_mb()
    measured = asyncio.run(_measure(tokenizer, tokens, callers, texts))
    sys.stdout.write(json.dumps({**measured, "rest": at_rest}))


def main() -> int:
    arguments = _arguments()
    if arguments.row:
        _row(arguments.file, arguments.row[0], *map(int, arguments.row[1:]))
        return 0
    sys.stdout.write(f"{os.cpu_count()} cores\n\n")
    sys.stdout.write(
        "| way | tokens | callers | CPU ms/text | texts/s | loop held ms | MB at rest | most | afterwards |\n"
    )
    sys.stdout.write("| --- | --: | --: | --: | --: | --: | --: | --: | --: |\n")
    for tokens in _TOKENS:
        for way in _HEAPS:
            for callers in _CALLERS:
                texts = max(callers, arguments.texts * 1000 // tokens)
                command = [sys.executable, "-m", "benchmarks.tokenising", str(arguments.file)]
                command += ["--row", way, str(tokens), str(callers), str(texts)]
                row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                sys.stdout.write(
                    f"| {way} | {row['tokens']:,.0f} | {callers} | {row['ms']:.2f} | {row['texts/s']:,.0f} |"
                    f" {row['held']:.1f} | {row['rest']:.0f} | {row['most']:.0f} | {row['left']:.0f} |\n"
                )
                sys.stdout.flush()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=_DEFAULT, help="a tokenizer.json")
    parser.add_argument("--texts", type=int, default=200, help="of 1,000 tokens; of 8,000 an eighth")
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
