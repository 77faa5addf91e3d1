"""Lets engines that share a GPU start one after the other.

vLLM measures how much of a GPU's memory its weights and first step take, and counts what other processes take meanwhile as
its own. So a process holds a lock on a file for each of its GPUs from before its engine starts until the engine has its
memory. The lock ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import Unavailable

logger = logging.getLogger(__name__)

# In seconds, between two tries to get a lock.
INTERVAL = 0.2

Turn = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one model on its GPUs. `folder` is that of the claims. `deadline` is how long one other engine may take
    to start, in seconds: several may come before this one, and none of them is late then. `clock` and `pause` are time's."""

    folder: Path
    model: str
    devices: Sequence[str]
    deadline: float
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @contextmanager
    def take(self) -> Generator[None]:
        """Wait until no other engine starts on these GPUs, and keep others waiting meanwhile.

        Raises Unavailable when another has taken longer than the deadline. Where the folder can't be used, nothing is kept
        apart.
        """
        with ExitStack() as held:
            # In one order in all processes, so that two never wait for each other.
            for device in sorted(self.devices):
                if (file := self._open(device)) is not None:
                    held.enter_context(file)
                    self._wait(file, device)
                    # A child that was forked meanwhile has the file too; only this ends the lock for it as well.
                    held.callback(fcntl.flock, file, fcntl.LOCK_UN)
            yield

    def _open(self, device: str) -> IO[str] | None:
        try:
            return (self.folder / f"start-{device.replace('/', '_')}.lock").open("a+")
        except OSError as error:
            logger.warning("engines on GPU %s may start at the same time: %s", device, error)
            return None

    def _wait(self, file: IO[str], device: str) -> None:
        holder, until = "", 0.0
        while not _try(file):
            if (now := _holder(file)) != holder:
                holder, until = now, self.clock() + self.deadline
                logger.info("%s waits for GPU %s, on which %s starts", self.model, device, holder)
            if self.clock() >= until:
                raise Unavailable(self._complaint(holder, device))
            self.pause(INTERVAL)
        file.truncate(0)
        file.write(f"{self.model} (process {os.getpid()})")
        file.flush()

    def _complaint(self, holder: str, device: str) -> str:
        return (
            f"GPU {device} was not free to start {self.model} on, because {holder} had not started within "
            f"{self.deadline:g} s. Look why in Triton's log, or raise gpu_turn_seconds of vllm_custom in model.json"
        )


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "another model"
