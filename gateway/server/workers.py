"""Several workers on one port: uvicorn's supervisor, which also removes dead workers from the metrics."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket

from uvicorn import Config
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """Replaces workers that end, and calls `on_gone` with their process ids."""

    def __init__(self, config: Config, sockets: list[socket], on_gone: Callable[[int], None]) -> None:
        super().__init__(config, sockets)
        self._on_gone = on_gone
        self._known: set[int] = set()

    def keep_subprocess_alive(self) -> None:
        """Called by uvicorn every half second, after the signals that start and end workers."""
        super().keep_subprocess_alive()
        running = {process.pid for process in self.processes if process.pid is not None}
        for pid in self._known - running:
            self._on_gone(pid)
        self._known = running
