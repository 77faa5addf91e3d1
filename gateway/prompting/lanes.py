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
    """Two threads, one for long texts. All threads of a worker allocate from one heap (`gateway/memory.py`), and the more of
    them allocate at a time, the longer each waits for the others: with twenty, a text takes seventy times the CPU. More
    cores are for more workers."""

    def __init__(self) -> None:
        # The library would spread the texts of a call over as many threads as there are cores.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._usual: Executor = ThreadPoolExecutor(1, "tokenise")
        self._long: Executor = ThreadPoolExecutor(1, "tokenise-long")

    async def run(self, characters: int, work: Callable[[], _Result]) -> _Result:
        """Do work on so much text. Work whose caller leaves before its turn is not done."""
        lane = self._long if characters > LONG_CHARACTERS else self._usual
        return await asyncio.get_running_loop().run_in_executor(lane, work)
