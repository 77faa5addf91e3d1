"""The gateway over a real socket: uvicorn in a thread, because in-process clients deliver a stream as one block."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from gateway.app import create_app
from gateway.server.guarded_http import GuardedHttp
from gateway.settings import Settings
from tests.fakes import sdk_types


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that listens. `url` has no `/v1`."""

    url: str
    settings: Settings

    def client(self, **options: Any) -> httpx.Client:
        """Its bodies are judged by the official SDK's types."""
        hooks = {"response": [sdk_types.check_response]}
        return httpx.Client(base_url=self.url, timeout=10, event_hooks=hooks, **options)

    def wait_ready(self, timeout_s: float = 10) -> None:
        """Until `/readyz` says 200."""
        deadline = time.monotonic() + timeout_s
        while httpx.get(f"{self.url}/readyz").status_code != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(httpx.get(f"{self.url}/readyz").text)
            time.sleep(0.02)


@contextmanager
def running_gateway(**settings: Any) -> Generator[RunningGateway, None, None]:
    """A gateway on a free port, with quick discovery; stopped at the end, its lifespan closed."""
    chosen = Settings(**{"port": 0, "discovery_interval_s": 0.1, "log_level": "warning", **settings})
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(chosen),
            host="127.0.0.1",
            port=0,
            http=GuardedHttp,
            ws="none",
            timeout_keep_alive=chosen.keep_alive_s,
            log_config=None,
            lifespan="on",
            loop="uvloop",
        )
    )
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the gateway did not start")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningGateway(f"http://127.0.0.1:{port}", chosen)
    finally:
        server.should_exit = True
        thread.join(timeout=15)
    if thread.is_alive():
        raise RuntimeError("the gateway did not stop")
