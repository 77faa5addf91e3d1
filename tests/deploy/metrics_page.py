"""What Triton's metrics port says, as far as the dashboards ask: families of the backend's, and of Triton's own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from triton_backend.vllm_custom.metrics import names
from triton_backend.vllm_custom.metrics.meter import Family, Kind

OF_TRITON = (
    'nv_inference_request_success{model="toy-embedding",version="1"} 3',
    'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 40',
    'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 80',
)


@contextmanager
def serving_metrics_of_triton() -> Generator[str, None, None]:
    """The page at a free port, as the URL of its server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = "".join(f"{line}\n" for line in (*OF_TRITON, *_of_the_backend())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is for its failure."""


def _of_the_backend() -> Iterator[str]:
    for family in vars(names).values():
        if isinstance(family, Family) and family.kind is not Kind.HISTOGRAM and family.label is None:
            yield f'{family.name}{{model="toy-chat",version="1"}} 1'
