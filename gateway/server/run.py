"""Run the application in uvicorn, in this process or in several workers."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress
from socket import socket

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE

from gateway import log as log_setup
from gateway import metrics
from gateway.server.guarded_http import GuardedHttp
from gateway.server.listening import listen
from gateway.server.workers import Workers
from gateway.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until a signal ends it. Raises OSError if it can't listen; exits with uvicorn's status if the start fails."""
    sockets = listen(settings.host, settings.port)
    log_setup.set_up(settings.log_level)
    log.info("listening on %s", ", ".join(map(_written, sockets)))
    config = Config(
        "gateway.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=GuardedHttp,
        ws="none",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        proxy_headers=False,  # nothing here asks for the client's address or scheme
        timeout_graceful_shutdown=4,
    )
    if settings.workers > 1:
        Workers(config, sockets, metrics.forget_process).run()
        return
    # uvicorn stops, and raises the signal that it got again: unhandled it would end us before our caller has tidied up.
    signal.signal(signal.SIGTERM, _end)
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _end(*_: object) -> None:
    sys.exit(0)


def _written(listening: socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
