"""A small server that stands in for the gateway, or for another program on its port."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers by path; anything else is 404."""

    by_path: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.by_path.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Generator[int, None, None]:
    """The port on loopback where it listens; it knows no path at first."""
    Answers.by_path = {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
