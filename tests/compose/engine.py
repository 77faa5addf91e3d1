"""A Docker engine for the tests: the one that runs here, or one of their own, which ends with them and leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_LIMIT_S = 60.0
_SLOW_S = 5.0


@dataclass(frozen=True)
class Docker:
    """The command line of an engine. Every command's output is kept in `log`."""

    environment: Mapping[str, str]
    log: Path

    def run(
        self, *arguments: str | Path, limit_s: float = 600.0, check: bool = True, folder: Path | None = None
    ) -> str:
        """`docker ARGUMENTS`; what it printed on stdout. Raises CalledProcessError, whose text is in the log."""
        return self.command("docker", *arguments, limit_s=limit_s, check=check, folder=folder)

    def command(
        self,
        program: str,
        *arguments: str | Path,
        limit_s: float = 600.0,
        check: bool = True,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Any program that speaks to this engine."""
        started = time.monotonic()
        ended = subprocess.run(
            [program, *map(str, arguments)],
            env={**self.environment, **(environment or {})},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        took_s = time.monotonic() - started
        words = " ".join([program, *map(str, arguments)])
        if took_s >= _SLOW_S:
            print(f"{took_s:.0f} s: {words}")
        with self.log.open("a") as log:
            log.write(f"$ {words}   # {took_s:.1f} s, status {ended.returncode}\n")
            log.write(ended.stdout + ended.stderr)
        if check and ended.returncode:
            raise AssertionError(
                f"{words} ended with status {ended.returncode}:\n{(ended.stdout + ended.stderr)[-3000:]}"
            )
        return ended.stdout


@contextmanager
def engine(folder: Path) -> Generator[Docker]:
    """The engine that the environment names, or a new one with its data in the folder."""
    log = folder / "docker.log"
    there = Docker(os.environ, log)
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        yield there
        return
    socket = f"unix://{folder}/docker.sock"
    (folder / "daemon.json").write_text("{}")
    command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", socket]
    command += ["--pidfile", f"{folder}/dockerd.pid", "--config-file", f"{folder}/daemon.json"]
    with (folder / "dockerd.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    own = Docker({**os.environ, "DOCKER_HOST": socket}, log)
    try:
        _wait_for(own, process, folder / "dockerd.log")
        yield own
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder / "data", ignore_errors=True)


def _wait_for(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while subprocess.run(["docker", "info"], env=docker.environment, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"dockerd did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
