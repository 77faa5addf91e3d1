"""`python -m gateway` as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gateway.settings import ENV_PREFIX
from tests.fakes.openai import eventually
from tests.fakes.triton import FakeTriton


def live(url: str, path: str = "/livez") -> bool:
    try:
        return httpx.get(f"{url}{path}").status_code == 200
    except httpx.TransportError:
        return False


def ready(url: str) -> bool:
    return live(url, "/readyz")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_odd_environment_changes_nothing(tmp_path: Path, workers: int) -> None:
    """`::` is heard in both families; neither the metrics folder of another program is used, nor a proxy."""
    with socket.create_server(("::", 0), family=socket.AF_INET6) as free:
        port = free.getsockname()[1]
    others = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "nowhere"), "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    with FakeTriton() as triton:
        settings = {"HOST": "::", "PORT": port, "WORKERS": workers, "TRITON_URLS": triton.address}
        environment = {f"{ENV_PREFIX}{name}": str(value) for name, value in settings.items()}
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env={**os.environ, **environment, **others})
        try:
            for host in ("127.0.0.1", "[::1]"):
                eventually(lambda host=host: ready(f"http://{host}:{port}"), timeout_s=40)
                assert "triton_gateway_in_flight" in httpx.get(f"http://{host}:{port}/metrics").text
            process.terminate()
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_end_leaves_nothing_behind(tmp_path: Path, ended_by: signal.Signals) -> None:
    """Neither a failure nor a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {f"{ENV_PREFIX}PORT": str(port), f"{ENV_PREFIX}TRITON_URLS": "127.0.0.1:1", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "gateway"], env={**os.environ, **settings})
    try:
        eventually(lambda: live(f"http://127.0.0.1:{port}"), timeout_s=40)
        assert list(tmp_path.iterdir())
        process.send_signal(ended_by)
        assert process.wait(timeout=20) == 0
        assert not list(tmp_path.iterdir())
    finally:
        process.kill()
