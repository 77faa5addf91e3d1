"""Redis with the file that is shipped."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, of_host
from tests.fakes.openai import eventually

FILE = DEPLOY / "redis" / "redis.conf"

pytestmark = pytest.mark.host


def test_counters_outlive_a_restart(tmp_path: Path) -> None:
    with running_redis(tmp_path) as socket:
        assert _ask(socket, "SET", "budget", "41") == "OK"
        assert _ask(socket, "INCR", "budget") == "42"
    with running_redis(tmp_path) as socket:
        assert _ask(socket, "GET", "budget") == "42"


def test_full_redis_refuses_and_drops_nothing(tmp_path: Path) -> None:
    """A dropped counter would lift a limit."""
    with running_redis(tmp_path) as socket:
        assert _ask(socket, "CONFIG", "GET", "maxmemory") == f"maxmemory\n{256 * 1024 * 1024}"
        _ask(socket, "SET", "counter", "1")
        _ask(socket, "CONFIG", "SET", "maxmemory", "1")
        assert _ask(socket, "SET", "other", "1").startswith("OOM command not allowed")
        assert _ask(socket, "GET", "counter") == "1"


@contextmanager
def running_redis(folder: Path) -> Generator[Path, None, None]:
    """On a socket instead of its port, with its data in the folder."""
    socket = folder / "redis.sock"
    command = [of_host("redis-server"), str(FILE), "--port", "0", "--unixsocket", str(socket)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: _ask(socket, "PING") == "PONG", 15)
        yield socket
    finally:
        process.terminate()  # it writes what it has
        process.wait(10)


def _ask(socket: Path, *command: str) -> str:
    asked = [of_host("redis-cli"), "-s", str(socket), *command]
    return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
