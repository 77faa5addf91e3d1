"""The threads that tokenise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, TypeVar

LONG_CHARACTERS: Final = 128 * 1024
"""Longer texts have a thread of their own: one of a million tokens takes seconds, and others need not wait for it."""

_Result = TypeVar("_Result")


class Lanes:
    """Two threads, one for long texts. The threads of a worker share two heaps (`gateway/memory.py`), and the more of them
    allocate at a time, the longer each waits for the others: with twenty and one heap, a text takes seventy times the CPU.
    More cores are for more workers."""

    def __init__(self) -> None:
        # The library would spread the texts of a call over as many threads as there are cores.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._usual: Executor = ThreadPoolExecutor(1, "tokenise")
        self._long: Executor = ThreadPoolExecutor(1, "tokenise-long")

    def start(self) -> None:
        """Start both threads, in this order: the first one has the second heap, if no other has started yet."""
        for lane in (self._usual, self._long):
            lane.submit(bytearray, 1).result()

    async def load(self, work: Callable[[], _Result]) -> _Result:
        """Load a tokeniser: where the heap is not the one that texts are tokenised in."""
        return await asyncio.get_running_loop().run_in_executor(self._long, work)

    async def run(self, characters: int, work: Callable[[], _Result]) -> _Result:
        """Do work on so much text. Work whose caller leaves before its turn is not done."""
        lane = self._long if characters > LONG_CHARACTERS else self._usual
        return await asyncio.get_running_loop().run_in_executor(lane, work)
