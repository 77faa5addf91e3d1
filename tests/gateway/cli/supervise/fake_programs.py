"""What stands in for tritonserver and the gateway in the supervisor's tests: small programs that do what it watches for.

`triton`: starts a "stub", which starts an "engine", leaves files in /dev/shm, and writes into its log what a file holds.
`reconciler`: says that it has loaded the stub's model or, where `nothing` exists, that there was nothing to load.
`gateway`: answers /readyz with the status that a file holds.
"""

import http.server
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def triton(folder: Path) -> None:
    """Serve until SIGTERM, unless `refuse` says to fail at once; ignore SIGTERM where `stubborn` says so."""
    if (folder / "refuse").exists():
        sys.exit("E1121 main.cc] failed to load model 'x': no such file")
    if (folder / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = _again(folder, "triton_python_backend_stub")
    _record(folder, "triton")
    _leave_shared_memory(folder)
    while not (folder / "engine.pid").exists():
        time.sleep(0.01)
    while child.poll() is None:
        time.sleep(0.02)
    if (folder / "last words").exists():
        print((folder / "last words").read_text(), flush=True)
    signal.pause()


def reconciler(folder: Path) -> None:
    """Report as the real one does, about a model whose name is that of the folder above the stub's file's folder."""
    _record(folder, "reconciler")
    while not (folder / "engine.pid").exists():
        time.sleep(0.01)
    if not (folder / "nothing").exists():
        print(f"loading {Path(__file__).parts[-3]}\nloaded {Path(__file__).parts[-3]}", flush=True)
    print("failed broken: it has no weights\ndone: 1 of 2 models are loaded", flush=True)
    signal.pause()


def stub(folder: Path) -> None:
    """A model's process: lives on when Triton is killed."""
    _record(folder, "stub")
    _again(folder, "engine").wait()
    signal.pause()


def engine(folder: Path) -> None:
    """A process below the model's."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _record(folder, "engine")
    while True:
        signal.pause()


def gateway(folder: Path) -> None:
    """Answer /readyz with the status in `readiness`, or hang up where that says 0."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = int((folder / "readiness").read_text())
            body = json.dumps(
                {"models": {"m": {"ready": status == 200, "state": "ready", "last_success_s_ago": 31.0}}}
            ).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    _record(folder, "gateway")
    with http.server.ThreadingHTTPServer(("127.0.0.1", int((folder / "port").read_text())), Handler) as server:
        server.serve_forever()


def _again(folder: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, name, str(folder)])


def _record(folder: Path, name: str) -> None:
    partial = folder / f"{name}.partial"
    partial.write_text(str(os.getpid()))
    partial.replace(folder / f"{name}.pid")


def _leave_shared_memory(folder: Path) -> None:
    """One file with the prefix that we were given, one with a name of our own, linked to it as semaphores are."""
    prefix = (folder / "prefix").read_text()
    Path(f"/dev/shm/{prefix}region").touch()
    path = Path(f"/dev/shm/psm_{os.getpid()}_test")
    first = path.with_suffix(".first")
    with first.open("w+b") as file:
        file.truncate(mmap.PAGESIZE)
        globals()["kept"] = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    path.hardlink_to(first)
    first.unlink()


if __name__ == "__main__":
    programs = {"triton": triton, "triton_python_backend_stub": stub, "engine": engine}
    programs |= {"reconciler": reconciler, "gateway": gateway}
    programs[sys.argv[1]](Path(sys.argv[2]))
