"""One running system for all integration tests: `triton-gateway up` with two workers, as a user would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from benchmarks.processes import free_ports
from gateway.cli.layout import find_layout
from gateway.cli.supervise.endpoint import read_published

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"
START_LIMIT_S = 300
# Each engine takes 2 GB and half a minute: with this variable more of them are started.
ALL_ENGINES = os.environ.get("VLLM_CUSTOM_ENGINE_TESTS") == "1"
STOP_LIMIT_S = 15 * 10  # promised: 15 s; a test asserts that a thing happens within ten times its limit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What breaks the system comes last, then its end, and then what starts another: the commands would find that one."""
    order = {"test_recovery": 1, "test_shutdown": 2, "test_models_page": 3}
    items.sort(key=lambda item: order.get(item.path.stem, 0))
    for item in items:
        if item.path.is_relative_to(HERE):  # the hook is shown every test of the run
            item.add_marker(pytest.mark.triton)
            item.add_marker(pytest.mark.timeout(400))


@dataclass
class System:
    """The supervisor and what it started. `log` is what it printed; `folder` has a model repository, empty at first, beside
    that of the checkout, and the state of `load` and `unload`."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "up.log"

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def triton_address(self) -> str:
        running = read_published(find_layout().running)
        assert running is not None
        return running.settings["TRITON_GATEWAY_TRITON_URLS"]

    def members(self, part_of_command: str = "") -> list[psutil.Process]:
        """The processes under the supervisor whose command line contains this."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in found if part_of_command in _command(process)]

    def wait_ready(self, limit_s: float = START_LIMIT_S) -> float:
        """Until `/readyz` says 200 and the supervisor has seen it; how long that took, in seconds."""
        started = time.monotonic()
        while time.monotonic() - started < limit_s:
            if self.process.poll() is not None:
                break
            if self.readiness() == 200 and "Ready after" in self.log.read_text():
                return time.monotonic() - started
            time.sleep(0.5)
        pytest.fail(f"not ready; the supervisor said:\n{self.log.read_text()}")

    def readiness(self) -> int | None:
        """The status of `/readyz`; None when nobody answers."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code
        except httpx.HTTPError:
            return None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End it as a user does; how long that took, in seconds."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(STOP_LIMIT_S)
        return time.monotonic() - started


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def start_system(folder: Path, *, workers: int = 2) -> System:
    """Start `up`; the caller stops it."""
    port, metrics_port = free_ports(2)
    (folder / "repository").mkdir()
    command = [sys.executable, "-m", "gateway.cli", "up", "--port", str(port), "--workers", str(workers)]
    command += ["--triton-metrics-port", str(metrics_port), "--model-repository", str(folder / "repository")]
    environment = dict(os.environ) | {"TRITON_GATEWAY_STATE_DIR": str(folder / "state")}
    with (folder / "up.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=environment)
    return System(process, port, folder)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Generator[System, None, None]:
    """The system, ready. Its last test stops it; where that did not run, it is stopped here."""
    running = start_system(tmp_path_factory.mktemp("system"))
    try:
        running.wait_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def client(system: System) -> openai.OpenAI:
    """The official SDK, strict, without retries that would hide an error."""
    return openai.OpenAI(
        base_url=f"{system.url}/v1", api_key="none", max_retries=0, timeout=120, _strict_response_validation=True
    )
